// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "oncotome/core/error.h"

namespace {

using namespace oncotome::engine;

std::string file_of(const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

void expect_refused(const std::string& bytes) {
  try {
    parse_safetensors(bytes.data(), bytes.size());
    ADD_FAILURE() << "accepted: " << bytes.substr(8);
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), oncotome::ErrorCode::weights_invalid);
  }
}

TEST(Safetensors, A_file_made_by_hand_is_read_as_its_format_says) {
  const float values[2] = {1.5F, -2.0F};
  const std::string data(reinterpret_cast<const char*>(values), 8);
  const std::string bytes =
      file_of(R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})", data);
  const Weights weights = parse_safetensors(bytes.data(), bytes.size());
  ASSERT_EQ(weights.size(), 1u);
  EXPECT_EQ(weights.at("w").shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(weights.at("w").values, (std::vector<float>{1.5F, -2.0F}));
}

TEST(Safetensors, Every_way_to_lie_is_refused) {
  const std::string data(8, '\0');
  expect_refused("");
  expect_refused("1234567");
  expect_refused(std::string(8, '\xff') + "{}");
  expect_refused(file_of("[]", data));
  expect_refused(file_of("{", data));
  expect_refused(file_of(R"({"w":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}})", data));
  expect_refused(file_of(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", data));
  expect_refused(file_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", data));
  expect_refused(file_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", data));
  expect_refused(file_of(R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", data));
  expect_refused(file_of(R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", data));
  expect_refused(file_of(R"({"w":{"dtype":"F32","shape":[2]}})", data));
  expect_refused(file_of(R"({"w":{"dtype":"F32","shape":"2","data_offsets":[0,8]}})", data));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_refused(file_of(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                         std::string(reinterpret_cast<const char*>(&nan), 4)));
}

}  // namespace
