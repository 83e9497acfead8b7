// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/line_chart.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "oncotome/core/error.h"
#include "png.h"

namespace oncotome::render {
namespace {

std::int64_t blue(const Png& png) {
  return std::count_if(png.pixels.begin(), png.pixels.end(),
                       [](const std::array<int, 3>& p) { return p[2] > 230 && p[0] < 110; });
}

TEST(LineChart, A_line_goes_across_and_a_gap_shortens_it) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/chart.png";
  write_line_chart(path, "epoch", {{"Loss", {{"", {1, 1, 1, 1, 1}}, {"", {2, 2, 2, 2, 2}}}}});
  const auto whole = blue(Png(path));
  EXPECT_GT(whole, 600);
  const double gap = std::numeric_limits<double>::quiet_NaN();
  write_line_chart(path, "epoch", {{"Loss", {{"", {1, 1, gap, 1, 1}}, {"", {2, 2, 2, 2, 2}}}}});
  EXPECT_NEAR(static_cast<double>(blue(Png(path))) / static_cast<double>(whole), 0.5, 0.05);
}

TEST(LineChart, Of_one_value_or_none_is_a_picture_too) {
  const TemporaryFolder folder;
  write_line_chart(folder.path + "/one.png", "epoch", {{"Loss", {{"a", {3}}}}, {"Nothing", {}}});
  EXPECT_GT(Png(folder.path + "/one.png").width, 0);
  EXPECT_THROW(write_line_chart(folder.path + "/absent/chart.png", "", {}), Error);
}

}  // namespace
}  // namespace oncotome::render
