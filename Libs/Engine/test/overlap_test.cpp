// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/overlap.h"

#include <gtest/gtest.h>

#include <cmath>

#include "oncotome/core/error.h"

namespace {

using namespace oncotome;
using engine::compare_masks;
using engine::Mask;

const Geometry kGrid = [] {
  Geometry g;
  g.size = {20, 12, 10};
  g.spacing_mm = {0.5, 2, 3};
  return g;
}();

Mask box(const Index3& first, const Index3& last) {
  Mask mask(kGrid.voxel_count(), 0);
  for (std::int64_t z = first[2]; z <= last[2]; ++z)
    for (std::int64_t y = first[1]; y <= last[1]; ++y)
      for (std::int64_t x = first[0]; x <= last[0]; ++x)
        mask[static_cast<std::size_t>(x + kGrid.size[0] * (y + kGrid.size[1] * z))] = 1;
  return mask;
}

Mask both(Mask a, const Mask& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] |= b[i];
  return a;
}

TEST(Overlap, A_mask_agrees_with_itself_and_a_box_shifted_by_half_of_it_has_half_the_dice) {
  const Mask a = box({4, 2, 2}, {11, 5, 5}), b = box({8, 2, 2}, {15, 5, 5});
  const auto same = compare_masks(a, a, kGrid, {}, Job());
  EXPECT_EQ(same.dice, 1);
  EXPECT_EQ(same.surface_dice, 1);
  EXPECT_EQ(same.hd95_mm, 0);
  EXPECT_EQ(same.mean_surface_distance_mm, 0);
  const auto half = compare_masks(a, b, kGrid, {}, Job());
  EXPECT_EQ(half.dice, 0.5);
  EXPECT_EQ(half.result_voxels, 128);
  EXPECT_EQ(half.common_voxels, 64);
}

TEST(Overlap, Distances_between_two_voxels_are_those_of_their_corners_in_millimetres) {
  // Seven voxels of 0.5 mm apart, four of 2 mm and five of 3 mm: every corner of one looks at the nearest of the other.
  const auto apart = compare_masks(box({2, 1, 1}, {2, 1, 1}), box({9, 5, 6}, {9, 5, 6}), kGrid, {}, Job());
  double sum = 0, most = 0;
  for (const double x : {3.0, 3.5})
    for (const double y : {6.0, 8.0})
      for (const double z : {12.0, 15.0}) {
        sum += std::sqrt(x * x + y * y + z * z);
        most = std::max(most, std::sqrt(x * x + y * y + z * z));
      }
  ASSERT_TRUE(apart.hd95_mm);
  EXPECT_DOUBLE_EQ(*apart.hd95_mm, most);
  EXPECT_NEAR(*apart.mean_surface_distance_mm, sum / 8, 1e-12);
  EXPECT_EQ(apart.surface_dice, 0);
  EXPECT_EQ(apart.dice, 0);
}

TEST(Overlap, The_tolerance_is_in_millimetres_along_each_axis) {
  // Slabs through the whole grid, one slice of 3 mm thicker on one side.
  const Mask a = box({0, 0, 2}, {19, 11, 5}), b = box({0, 0, 2}, {19, 11, 6});
  // The face that moved, 10 x 24 mm, is in neither surface within less; edges of elements are shared.
  EXPECT_NEAR(*compare_masks(a, b, kGrid, {2.99, 0}, Job()).surface_dice, 1 - 480.0 / 2796, 0.03);
  EXPECT_EQ(compare_masks(a, b, kGrid, {3, 0}, Job()).surface_dice, 1);
  EXPECT_DOUBLE_EQ(*compare_masks(a, b, kGrid, {}, Job()).hd95_mm, 3);
}

TEST(Overlap, What_an_empty_mask_leaves_undefined_is_absent) {
  const Mask none(kGrid.voxel_count(), 0), some = box({1, 1, 1}, {2, 2, 2});
  const auto nothing = compare_masks(none, none, kGrid, {}, Job());
  EXPECT_FALSE(nothing.dice || nothing.surface_dice || nothing.hd95_mm || nothing.mean_surface_distance_mm);
  for (const auto& one : {compare_masks(some, none, kGrid, {}, Job()), compare_masks(none, some, kGrid, {}, Job())}) {
    EXPECT_EQ(one.dice, 0);
    EXPECT_EQ(one.surface_dice, 0);
    EXPECT_FALSE(one.hd95_mm || one.mean_surface_distance_mm);
  }
}

TEST(Overlap, Lesions_that_touch_by_a_corner_are_one_and_each_is_found_when_enough_of_it_is_covered) {
  const Mask corner = both(box({2, 2, 2}, {3, 3, 3}), box({4, 4, 4}, {5, 5, 5}));
  const Mask truth = both(corner, box({12, 1, 1}, {15, 1, 1}));
  const Mask result = both(both(box({12, 1, 1}, {12, 1, 1}), box({2, 2, 2}, {3, 3, 3})), box({18, 10, 8}, {18, 10, 8}));
  const auto any = compare_masks(result, truth, kGrid, {}, Job());
  EXPECT_EQ(any.truth_lesions, 2);
  EXPECT_EQ(any.result_lesions, 3);
  EXPECT_EQ(any.found_lesions, 2);
  EXPECT_EQ(any.true_lesions, 2);
  const auto half = compare_masks(result, truth, kGrid, {1, 0.5}, Job());
  EXPECT_EQ(half.found_lesions, 1);
  EXPECT_EQ(half.true_lesions, 2);
}

TEST(Overlap, Masks_of_another_size_are_refused) {
  EXPECT_THROW(compare_masks(Mask(3), Mask(3), kGrid, {}, Job()), Error);
}

}  // namespace
