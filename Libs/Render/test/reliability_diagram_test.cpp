// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/reliability_diagram.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "oncotome/core/error.h"
#include "png.h"

namespace oncotome::render {
namespace {

bool is_bar(const std::array<int, 3>& p) { return p == std::array<int, 3>{90, 170, 250}; }

// Pixels of bars in the column, without the marks and lines that cross them.
std::int64_t bar_height(const Png& png, int x) {
  std::int64_t height = 0;
  for (int y = 0; y < png.height; ++y) height += is_bar(png.at(x, y)) ? 1 : 0;
  return height;
}

int leftmost_bar(const Png& png) {
  for (int x = 0; x < png.width; ++x)
    if (bar_height(png, x) > 20) return x;
  return -1;
}

TEST(ReliabilityDiagram, Bars_are_as_long_as_the_bins_are_accurate) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/reliability.png";
  write_reliability_diagram(path,
                            {{"", 0.1, {{0.2, 0.4, 5, 0.3, 0.2}, {0.4, 0.6, 0, 0, 0}, {0.6, 0.8, 10, 0.7, 0.8}}}});
  const Png png(path);
  const int first = leftmost_bar(png);
  ASSERT_GT(first, 0);
  // The bars begin 0.4 apart, and the lengths are 0.2 and 0.8 of the same side.
  const int fifth = 90, middle = first + fifth / 2, far = middle + 2 * fifth;
  EXPECT_NEAR(static_cast<double>(bar_height(png, middle)), fifth, 6);
  EXPECT_NEAR(static_cast<double>(bar_height(png, far)), 4 * fifth, 10);
  EXPECT_EQ(bar_height(png, middle + fifth), 0);
}

TEST(ReliabilityDiagram, Panels_stand_side_by_side_and_one_may_be_empty) {
  const TemporaryFolder folder;
  const std::string one = folder.path + "/one.png", two = folder.path + "/two.png";
  write_reliability_diagram(one, {{"before", 0.2, {{0.5, 1, 3, 0.75, 1}}}});
  write_reliability_diagram(two, {{"before", 0.2, {{0.5, 1, 3, 0.75, 1}}}, {"after", 0, {}}});
  EXPECT_EQ(Png(two).width, 2 * Png(one).width);
  EXPECT_EQ(Png(two).height, Png(one).height);
  EXPECT_THROW(write_reliability_diagram(folder.path + "/absent/r.png", {}), Error);
}

}  // namespace
}  // namespace oncotome::render
