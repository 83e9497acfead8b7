// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/weight_file.h"
#include "stored_file.h"

namespace {

using namespace oncotome::engine;

std::string bytes_of(const std::string& header, const std::string& data) {
  return little_endian_bytes(header.size(), 8) + header + data;
}

void expect_refused(const std::string& bytes) {
  const StoredFile file(bytes);
  try {
    WeightFile::open(file.path())->read("w");
    ADD_FAILURE() << "accepted: " << bytes.substr(std::min<std::size_t>(bytes.size(), 8));
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), oncotome::ErrorCode::weights_invalid) << e.what();
  }
}

TEST(Safetensors, A_file_made_by_hand_is_read_as_its_format_says) {
  const float values[2] = {1.5F, -2.0F};
  const std::string data(reinterpret_cast<const char*>(values), 8);
  const StoredFile file(bytes_of(
      R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},
          "a":{"dtype":"BF16","shape":[],"data_offsets":[8,10]},"n":{"dtype":"U8","shape":[1],"data_offsets":[10,11]}})",
      data + "\x80\x3f\x07"));
  const auto opened = WeightFile::open(file.path());
  EXPECT_EQ(opened->kind(), "safetensors");
  EXPECT_EQ(opened->contents(), (nlohmann::ordered_json{{"a", "b"}}));
  ASSERT_EQ(opened->tensors().size(), 3U);
  EXPECT_EQ(opened->tensors()[1].name, "a");
  EXPECT_EQ(opened->tensors()[1].dtype, "bfloat16");
  EXPECT_EQ(opened->read("n").values, std::vector<float>{7.0F});
  const Weights weights = read_safetensors(file.path());
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_EQ(weights.at("w").shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(weights.at("w").values, (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(weights.at("a").values, std::vector<float>{1.0F});
}

TEST(Safetensors, Every_way_to_lie_is_refused) {
  const std::string data(8, '\0');
  expect_refused("");
  expect_refused("1234567");
  expect_refused(std::string(8, '\xff') + "{}");
  expect_refused(bytes_of("[]", data));
  expect_refused(bytes_of("{", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F4","shape":[4],"data_offsets":[0,8]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"float32","shape":[2],"data_offsets":[0,8]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[2]}})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":"2","data_offsets":[0,8]}})", data));
  expect_refused(bytes_of(R"({"w":[[[[[[[[]]]]]]]]})", data));
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                              "x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                          data));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_refused(bytes_of(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                          std::string(reinterpret_cast<const char*>(&nan), 4)));
}

}  // namespace
