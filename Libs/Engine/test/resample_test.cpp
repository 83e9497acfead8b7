// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "oncotome/core/error.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;

Geometry turned() {
  Geometry g;
  g.size = {5, 7, 6};
  g.spacing_mm = {1, 0.7, 2};
  g.origin_mm = {10, 20, -30};
  g.axis = {{{0, 0, -1}, {1, 0, 0}, {0, -1, 0}}};  // a coronal acquisition
  return g;
}

// Linear in position, so that linear interpolation is exact.
float field(const Vec3& p) { return static_cast<float>(2 * p[0] - 3 * p[1] + 0.5 * p[2] + 7); }

Volume<float> sampled(const Geometry& g) {
  Volume<float> v(g);
  for (std::int64_t z = 0; z < g.size[2]; ++z)
    for (std::int64_t y = 0; y < g.size[1]; ++y)
      for (std::int64_t x = 0; x < g.size[0]; ++x)
        v.at(x, y, z) = field(g.position_mm({static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)}));
  return v;
}

TEST(Resample, Turning_the_axes_to_LPS_keeps_every_voxel_and_its_place) {
  const Volume<float> v = sampled(turned());
  const Geometry lps = oriented(v.geometry);
  EXPECT_EQ(lps.size, (Index3{7, 6, 5}));
  for (std::size_t a = 0; a < 3; ++a) EXPECT_GT(lps.axis[a][a], 0.999);
  const Volume<float> out = resample_linear({v.geometry, v.voxels.data()}, lps);
  const Volume<float> expected = sampled(lps);
  for (std::size_t i = 0; i < out.voxels.size(); ++i) ASSERT_FLOAT_EQ(out.voxels[i], expected.voxels[i]);
}

TEST(Resample, Another_spacing_covers_the_same_box_and_gives_a_linear_field_exactly_inside) {
  const Volume<float> v = sampled(turned());
  const Geometry fine = respaced(v.geometry, {0.5, 0.7, 0.5});
  EXPECT_EQ(fine.size, (Index3{10, 7, 24}));
  // The outer faces meet: half a voxel before the first centers.
  const Vec3 before = v.geometry.position_mm({-0.5, -0.5, -0.5}), after = fine.position_mm({-0.5, -0.5, -0.5});
  for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(before[a], after[a], 1e-9);
  const Volume<float> out = resample_linear({v.geometry, v.voxels.data()}, fine);
  const Volume<float> expected = sampled(fine);
  for (std::int64_t z = 2; z < 22; ++z)
    for (std::int64_t y = 0; y < 7; ++y)
      for (std::int64_t x = 1; x < 9; ++x) ASSERT_NEAR(out.at(x, y, z), expected.at(x, y, z), 1e-4);
}

TEST(Resample, A_spacing_that_asks_for_far_too_many_voxels_is_refused) {
  Geometry far;
  for (const Vec3& spacing_mm : {Vec3{0x1p21, 0x1p20, 0x1p20}, Vec3{1e300, 1, 1}}) {
    far.spacing_mm = spacing_mm;
    far.size = {4, 4, 4};
    EXPECT_THROW(respaced(far, {2, 2, 2}), Error);
  }
}

TEST(Resample, Labels_survive_the_way_to_LPS_and_back) {
  LabelVolume labels(turned());
  for (std::size_t i = 0; i < labels.voxels.size(); ++i) labels.voxels[i] = static_cast<std::uint8_t>(i % 251);
  const LabelVolume lps = resample_nearest(labels, oriented(labels.geometry));
  EXPECT_NE(lps.voxels, labels.voxels);
  EXPECT_EQ(resample_nearest(lps, labels.geometry).voxels, labels.voxels);
}

TEST(Resample, Outside_of_the_source_there_is_zero) {
  const Volume<float> v(turned(), 5.0F);
  Geometry far = v.geometry;
  far.origin_mm[0] += 1000;
  for (float value : resample_linear({v.geometry, v.voxels.data()}, far).voxels) ASSERT_EQ(value, 0.0F);
}

TEST(Resample, Cubic_gives_a_linear_field_exactly_and_keeps_voxels_that_meet) {
  const Volume<float> v = sampled(turned());
  const Geometry fine = respaced(v.geometry, {0.5, 0.7, 0.5});
  const Volume<float> out = resample_cubic({v.geometry, v.voxels.data()}, fine), expected = sampled(fine);
  for (std::int64_t z = 2; z < 22; ++z)
    for (std::int64_t y = 0; y < 7; ++y)
      for (std::int64_t x = 1; x < 9; ++x) ASSERT_NEAR(out.at(x, y, z), expected.at(x, y, z), 1e-4);
  const Geometry lps = oriented(v.geometry);
  EXPECT_EQ(resample_cubic({v.geometry, v.voxels.data()}, lps).voxels,
            resample_linear({v.geometry, v.voxels.data()}, lps).voxels);
}

TEST(Resample, Cubic_is_nearer_to_a_wave_than_linear_and_never_leaves_the_range_of_its_neighbors) {
  Geometry g;
  g.size = {40, 4, 4};
  Volume<float> v(g);
  const auto wave = [](double x) { return x > 20 ? 0.0 : 50 + 50 * std::sin(0.8 * x); };
  for (std::int64_t i = 0; i < 640; ++i) v.voxels[static_cast<std::size_t>(i)] = static_cast<float>(wave(i % 40));
  Geometry half = g;
  half.origin_mm[0] = 0.5;
  const Volume<float> cubic = resample_cubic({g, v.voxels.data()}, half);
  const Volume<float> linear = resample_linear({g, v.voxels.data()}, half);
  double cubic_error = 0, linear_error = 0;
  for (std::int64_t x = 2; x < 18; ++x) {
    cubic_error += std::abs(cubic.at(x, 1, 1) - wave(static_cast<double>(x) + 0.5));
    linear_error += std::abs(linear.at(x, 1, 1) - wave(static_cast<double>(x) + 0.5));
  }
  EXPECT_LT(cubic_error, 0.5 * linear_error);
  for (std::int64_t x = 0; x < 39; ++x) {
    EXPECT_GE(cubic.at(x, 1, 1), std::min(v.at(x, 1, 1), v.at(x + 1, 1, 1)));
    EXPECT_LE(cubic.at(x, 1, 1), std::max(v.at(x, 1, 1), v.at(x + 1, 1, 1)));
  }
}

}  // namespace
