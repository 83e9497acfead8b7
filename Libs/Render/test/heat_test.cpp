// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/heat.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "oncotome/core/error.h"
#include "png.h"

namespace oncotome::render {
namespace {

Picture gray(int width, int height, std::uint8_t value) {
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height * 3, value)};
}

// What is cold is as it was; at most seven tenths of a pixel glow: white where it is 1, and at a third pure red.
TEST(Heat, Glows_over_the_picture_beside_it) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/heat.png";
  std::vector<float> heat(60 * 40, 0);
  for (std::size_t y = 0; y < 40; ++y) {
    heat[y * 60 + 58] = 1;
    heat[y * 60 + 59] = 1.0F / 3;
  }
  write_heat_picture(path, {}, gray(60, 40, 100), heat);
  const Png png(path);
  ASSERT_EQ(png.width, 2 * 60 + 4 + 2 * 12);
  EXPECT_TRUE(png.is(12 + 59, 20, {100, 100, 100}, 0));
  EXPECT_TRUE(png.is(12 + 64 + 57, 20, {100, 100, 100}, 0));
  EXPECT_TRUE(png.is(12 + 64 + 58, 20, {209, 209, 209}, 1));
  EXPECT_TRUE(png.is(12 + 64 + 59, 20, {136, 77, 77}, 1));
  EXPECT_THROW(write_heat_picture(folder.path + "/absent/heat.png", {"text"}, gray(60, 40, 100), heat), Error);
}

TEST(Heat, Shows_the_hottest_slices_of_a_volume) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/heat.png";
  Geometry geometry;
  geometry.size = {30, 30, 40};
  Volume<float> image(geometry, 50), heat(geometry);
  for (std::int64_t y = 0; y < 30; ++y)
    for (std::int64_t x = 0; x < 30; ++x) {
      image.at(x, y, 0) = 100;
      heat.at(x, y, 30) = 1;
      heat.at(x, y, 29) = 0.9F;
    }
  EXPECT_EQ(hottest_slice(heat), 30);
  write_heat_slices(path, {"one", "two"}, image, heat, "MR");
  const Png png(path);
  const auto white_hot = std::count_if(png.pixels.begin(), png.pixels.end(), [](const std::array<int, 3>& p) {
    return p[0] > 150 && p[0] < 230 && p[0] == p[1] && p[1] == p[2];
  });
  EXPECT_NEAR(static_cast<double>(white_hot), 300 * 300, 0.05 * 300 * 300);
}

TEST(Heat, Tiles_lie_in_rows) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/tiles.png";
  write_tiles(path, {}, {gray(20, 10, 50), gray(20, 10, 100), gray(20, 10, 150)}, 2);
  const Png png(path);
  EXPECT_EQ(png.width, 2 * 24 - 4 + 24);
  EXPECT_TRUE(png.is(12 + 5, 12 + 5, {50, 50, 50}, 0));
  EXPECT_TRUE(png.is(12 + 24 + 19, 12 + 5, {100, 100, 100}, 0));
  EXPECT_TRUE(png.is(12 + 5, 12 + 14 + 5, {150, 150, 150}, 0));
}

}  // namespace
}  // namespace oncotome::render
