// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/inference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace {

using namespace oncotome::engine;

TEST(SlidingWindow, Tiles_begin_at_zero_end_at_the_end_and_overlap_at_least_as_asked) {
  EXPECT_EQ(tile_starts(10, 16, 0.5), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(tile_starts(16, 16, 0.5), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(tile_starts(17, 16, 0.5), (std::vector<std::int64_t>{0, 1}));
  // nnU-Net's compute_steps_for_sliding_window((110,), (64,), 0.5) gives [0, 23, 46].
  EXPECT_EQ(tile_starts(110, 64, 0.5), (std::vector<std::int64_t>{0, 23, 46}));
  for (std::int64_t extent = 1; extent < 200; ++extent) {
    const auto starts = tile_starts(extent, 24, 0.25);
    EXPECT_EQ(starts.front(), 0);
    EXPECT_EQ(starts.back() + 24, std::max<std::int64_t>(extent, 24));
    for (std::size_t i = 1; i < starts.size(); ++i) EXPECT_LE(starts[i] - starts[i - 1], 18);
  }
}

TEST(SlidingWindow, Importance_is_a_Gaussian_of_an_eighth_of_the_tile) {
  const Tensor weights = gaussian_importance({9, 1, 17});
  EXPECT_FLOAT_EQ(weights.values[4 * 17 + 8], 1.0F);
  EXPECT_NEAR(weights.values[4 * 17 + 8 + 4], std::exp(-0.5 * std::pow(4 / (17.0 / 8), 2)), 1e-6);
  EXPECT_NEAR(weights.values[(4 - 2) * 17 + 8], std::exp(-0.5 * std::pow(2 / (9.0 / 8), 2)), 1e-6);
}

}  // namespace
