// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "oncotome/core/json.h"
#include "oncotome/engine/weight_file.h"

namespace {

using namespace oncotome::engine;
using nlohmann::ordered_json;

const std::string kFixtures = ONCOTOME_FIXTURES "/weights";

/// Leaves of {"tensor": name} as make_weight_fixtures.py writes them, and each of them in `names`.
ordered_json without_names(const ordered_json& contents, std::vector<std::string>& names) {
  if (contents.is_object() && contents.size() == 1 && contents.contains("tensor")) {
    names.push_back(contents["tensor"]);
    return "tensor";
  }
  ordered_json plain = contents;
  if (plain.is_structured())
    for (ordered_json& member : plain) member = without_names(ordered_json(member), names);
  return plain;
}

class GoldenWeights : public testing::TestWithParam<std::string> {};

TEST_P(GoldenWeights, Are_what_PyTorch_reads) {
  const ordered_json all = ordered_json::parse(std::ifstream(kFixtures + "/expected_" + GetParam() + ".json"));
  for (const auto& [name, expected] : all.items()) {
    SCOPED_TRACE(name);
    const auto file = WeightFile::open(kFixtures + '/' + name);
    EXPECT_EQ(file->kind(), expected["kind"]);
    std::size_t at = 0;
    std::map<std::string, bool> seen;
    for (const WeightFile::Entry& entry : file->tensors()) {
      SCOPED_TRACE(entry.name);
      ASSERT_TRUE(expected["tensors"].contains(entry.name));
      seen[entry.name] = true;
      const ordered_json& tensor = expected["tensors"][entry.name];
      EXPECT_EQ(ordered_json(entry.dtype), tensor["dtype"]);
      EXPECT_EQ(ordered_json(entry.shape), tensor["shape"]);
      std::vector<float> values;
      for (const double value : tensor["values"].get<std::vector<double>>())
        values.push_back(static_cast<float>(value));
      EXPECT_EQ(file->read(entry.name).values, values);
      ++at;
    }
    EXPECT_EQ(at, expected["tensors"].size());
    EXPECT_EQ(seen.size(), expected["tensors"].size());
    if (!expected.contains("contents")) continue;
    std::vector<std::string> names;
    EXPECT_EQ(without_names(file->contents(), names), expected["contents"]);
    EXPECT_EQ(names.size(), at);
    const Weights network = file->read_all("network_weights");
    EXPECT_EQ(network.count("conv.weight"), 1U);
    EXPECT_EQ(network.count("all_modules.0.weight"), 0U);
    EXPECT_EQ(network.count("whole"), 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenWeights, testing::Values("1.13", "2.11"));

}  // namespace
