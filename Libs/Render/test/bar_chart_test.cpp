// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/bar_chart.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "oncotome/core/error.h"
#include "png.h"

namespace oncotome::render {
namespace {

std::int64_t count(const Png& png, const std::array<int, 3>& color) {
  return std::count(png.pixels.begin(), png.pixels.end(), color);
}

TEST(BarChart, Bars_are_as_long_as_their_values) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/chart.png";
  write_bar_chart(path, {"heading"},
                  {{"one", {{"a", 4, 0, {200, 0, 0}, "4x"}}}, {"two", {{"b", 2, 1.5, {0, 200, 0}, ""}}}});
  const Png png(path);
  const auto red = count(png, {200, 0, 0}), green = count(png, {0, 200, 0});
  EXPECT_GT(red, 3000);
  EXPECT_NEAR(static_cast<double>(green) / static_cast<double>(red), 0.5, 0.05);
}

TEST(BarChart, Of_nothing_is_a_heading_alone) {
  const TemporaryFolder folder;
  write_bar_chart(folder.path + "/empty.png", {}, {});
  EXPECT_GT(Png(folder.path + "/empty.png").width, 0);
  EXPECT_THROW(write_bar_chart(folder.path + "/absent/chart.png", {}, {}), Error);
}

}  // namespace
}  // namespace oncotome::render
