// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/effective_field.h"

#include <gtest/gtest.h>

#include <cmath>

#include "flat_convolution.h"

namespace {

using namespace oncotome::engine;
using oncotome::Job;

// Convolutions of ones: the shares along an axis are those of a sum of n numbers out of -1, 0 and 1, whose variance is
// 2 n / 3 (arXiv:1701.04128, 2.1). Of one and two they are cut by hand; of many they are nearly Gaussian, and the part
// is four deviations wide, with the twelfth that a voxel's own width adds to the variance, but for the excess kurtosis
// of -3 / (2 n), which by Cornish and Fisher takes a (8 n)-th of a deviation from either side.
TEST(EffectiveField, Of_convolutions_of_ones_is_four_standard_deviations) {
  constexpr int kLayers = 20;
  Graph graph;
  Weights weights;
  graph.add({});
  for (int i = 0; i < kLayers; ++i) {
    graph.add(conv(i, std::to_string(i), 3));
    weights[std::to_string(i) + ".weight"] = Tensor({1, 1, 1, 3, 3}, 1.0F / 9);
  }
  const auto fields = effective_fields(graph, weights, {1, {1, 41, 41}}, 1, Job());
  ASSERT_EQ(fields.size(), kLayers + 1);
  for (std::size_t a = 1; a < 3; ++a) {
    EXPECT_NEAR(fields.at("input")[a], 0.9545, 1e-6);
    EXPECT_NEAR(fields.at("0")[a], 3 * 0.9545, 1e-5);
    EXPECT_NEAR(fields.at("1")[a], 5 - 2 * 9 * 0.02275, 1e-5);
    EXPECT_NEAR(fields.at("19")[a], (4 - 0.25 / kLayers) * std::sqrt(2.0 * kLayers / 3 + 1.0 / 12), 0.005);
  }
  EXPECT_NEAR(fields.at("19")[0], 0.9545, 1e-6);
}

// A stride doubles what later layers reach; the mean over all is even.
TEST(EffectiveField, Follows_strides_and_means) {
  Graph graph;
  graph.add({});
  graph.add(conv(0, "a", 1, 2));
  graph.add(conv(1, "b", 3));
  Node mean{Op::adaptive_avg_pool, {0}};
  mean.kernel = {1, 1, 1};
  graph.add(mean);
  const Weights weights{{"a.weight", Tensor({1, 1, 1, 1, 1}, 1)}, {"b.weight", Tensor({1, 1, 1, 3, 3}, 1)}};
  const auto fields = effective_fields(graph, weights, {1, {1, 32, 20}}, 1, Job());
  EXPECT_NEAR(fields.at("b")[1], 5 - 2 * 3 * 0.02275, 1e-5);
  EXPECT_NEAR(fields.at("avgpool")[1], 32 * 0.9545, 1e-4);
  EXPECT_NEAR(fields.at("avgpool")[2], 20 * 0.9545, 1e-4);
}

}  // namespace
