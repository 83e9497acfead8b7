// SPDX-License-Identifier: Apache-2.0
#include "nnunet/postprocess.h"

#include <gtest/gtest.h>

#include "oncotome/core/error.h"

namespace oncotome::engine::nnunet {
namespace {

using Bytes = std::vector<std::uint8_t>;

nlohmann::ordered_json file(const char* arguments) {
  return {{"postprocessing_fns", {"remove_all_but_largest_component_from_segmentation"}},
          {"postprocessing_kwargs", {nlohmann::ordered_json::parse(arguments)}}};
}

TEST(NnunetPostprocess, KeepsTheLargestComponentOfTheUnionOfLabels) {
  Bytes labels{1, 2, 0, 2, 0, 1, 0, 3};
  postprocess(read_postprocessing(file(R"({"labels_or_regions": [1, 2]})")), {1, 1, 8}, labels);
  EXPECT_EQ(labels, (Bytes{1, 2, 0, 0, 0, 0, 0, 3}));
}

TEST(NnunetPostprocess, KeepsAllThatTieForTheLargest) {
  Bytes labels{1, 1, 0, 1, 1, 0, 1, 0};
  postprocess(read_postprocessing(file(R"({"labels_or_regions": 1})")), {1, 1, 8}, labels);
  EXPECT_EQ(labels, (Bytes{1, 1, 0, 1, 1, 0, 0, 0}));
}

TEST(NnunetPostprocess, TakesVoxelsThatTouchByACornerForOneComponent) {
  Bytes labels{1, 0, 0, 0, 0, 0, 0, 1, /**/ 1, 0, 0, 0, 0, 1, 0, 0};
  const Bytes before = labels;
  postprocess(read_postprocessing(file(R"({"labels_or_regions": [[1, 2], 3]})")), {4, 2, 2}, labels);
  EXPECT_EQ(labels, before);
}

TEST(NnunetPostprocess, WritesTheBackgroundThatAStepNamesAndAppliesStepsInOrder) {
  auto steps = file(R"({"labels_or_regions": 1, "background_label": 2})");
  steps["postprocessing_fns"].push_back(steps["postprocessing_fns"][0]);
  steps["postprocessing_kwargs"].push_back({{"labels_or_regions", 2}});
  Bytes labels{1, 1, 0, 1, 0, 2, 2, 0};
  postprocess(read_postprocessing(steps), {1, 1, 8}, labels);
  EXPECT_EQ(labels, (Bytes{1, 1, 0, 0, 0, 2, 2, 0}));
}

TEST(NnunetPostprocess, RefusesFilesThatItDoesNotUnderstand) {
  const auto code = [](const nlohmann::ordered_json& json) {
    try {
      read_postprocessing(json);
      return ErrorCode::internal;
    } catch (const Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(code({}), ErrorCode::model_invalid);
  EXPECT_EQ(code(file("[]")), ErrorCode::model_invalid);
  EXPECT_EQ(code(file(R"({"labels_or_regions": 256})")), ErrorCode::model_invalid);
  EXPECT_EQ(code(file(R"({"labels_or_regions": [[[1]]]})")), ErrorCode::model_invalid);
  EXPECT_EQ(code(file(R"({"labels_or_regions": 1, "min_size": 3})")), ErrorCode::model_unsupported);
  auto other = file(R"({"labels_or_regions": 1})");
  other["postprocessing_fns"][0] = "remove_small";
  EXPECT_EQ(code(other), ErrorCode::model_unsupported);
  other["postprocessing_fns"] = nlohmann::ordered_json::array();
  EXPECT_EQ(code(other), ErrorCode::model_invalid);
}

}  // namespace
}  // namespace oncotome::engine::nnunet
