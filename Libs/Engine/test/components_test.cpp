// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/components.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

namespace {

using namespace oncotome::engine;
using oncotome::Index3;

std::size_t at(const Index3& size, std::int64_t x, std::int64_t y, std::int64_t z) {
  return static_cast<std::size_t>(x + size[0] * (y + size[1] * z));
}

TEST(Components, Two_voxels_are_one_component_only_under_a_connectivity_by_which_they_touch) {
  const Index3 size{4, 4, 4};
  const struct {
    Index3 other;
    std::size_t faces, edges, corners;
  } cases[] = {{{2, 1, 1}, 1, 1, 1}, {{2, 2, 1}, 2, 1, 1}, {{2, 2, 2}, 2, 2, 1}, {{3, 1, 1}, 2, 2, 2}};
  for (const auto& c : cases) {
    Mask mask(64, 0);
    mask[at(size, 1, 1, 1)] = mask[at(size, c.other[0], c.other[1], c.other[2])] = 1;
    EXPECT_EQ(connected_components(mask, size, Connectivity::faces6).voxel_counts.size(), c.faces);
    EXPECT_EQ(connected_components(mask, size, Connectivity::edges18).voxel_counts.size(), c.edges);
    EXPECT_EQ(connected_components(mask, size, Connectivity::corners26).voxel_counts.size(), c.corners);
  }
}

TEST(Components, A_component_does_not_leap_from_the_end_of_one_row_to_the_next) {
  const Index3 size{3, 2, 1};
  Mask mask(6, 0);
  mask[2] = mask[3] = 1;  // (2,0) and (0,1)
  EXPECT_EQ(connected_components(mask, size, Connectivity::corners26).voxel_counts, (std::vector<std::int64_t>{1, 1}));
}

TEST(Components, Are_numbered_by_falling_count_on_demand) {
  // Of 1, 3, 2 and 3 voxels.
  const Mask mask = {1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1};
  const Components c = by_falling_count(connected_components(mask, {12, 1, 1}, Connectivity::faces6));
  EXPECT_EQ(c.voxel_counts, (std::vector<std::int64_t>{3, 3, 2, 1}));
  EXPECT_EQ(c.labels, (std::vector<std::int32_t>{4, 0, 1, 1, 1, 0, 3, 3, 0, 2, 2, 2}));
}

// Spreads labels until nothing changes: slow, and plain to read.
std::vector<std::int64_t> counts_by_spreading(const Mask& mask, const Index3& size, int connectivity) {
  std::vector<std::size_t> label(mask.size());
  for (std::size_t i = 0; i < label.size(); ++i) label[i] = i;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::int64_t z = 0; z < size[2]; ++z)
      for (std::int64_t y = 0; y < size[1]; ++y)
        for (std::int64_t x = 0; x < size[0]; ++x)
          for (std::int64_t d = 0; d < 27; ++d) {
            const Index3 n{x + d % 3 - 1, y + d / 3 % 3 - 1, z + d / 9 - 1};
            const auto steps = std::abs(n[0] - x) + std::abs(n[1] - y) + std::abs(n[2] - z);
            bool inside = steps > 0 && steps <= connectivity;
            for (std::size_t a = 0; a < 3; ++a) inside = inside && n[a] >= 0 && n[a] < size[a];
            if (!inside || !mask[at(size, x, y, z)] || !mask[at(size, n[0], n[1], n[2])]) continue;
            std::size_t& mine = label[at(size, x, y, z)];
            const std::size_t other = label[at(size, n[0], n[1], n[2])];
            if (other < mine) {
              mine = other;
              changed = true;
            }
          }
  }
  std::map<std::size_t, std::int64_t> counts;
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (mask[i]) ++counts[label[i]];
  std::vector<std::int64_t> out;
  out.reserve(counts.size());
  for (const auto& [first, count] : counts) out.push_back(count);
  return out;
}

TEST(Components, Random_masks_have_the_components_of_a_plain_method_in_the_same_order) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    const Index3 size{1 + static_cast<std::int64_t>(random() % 9), 1 + static_cast<std::int64_t>(random() % 9),
                      1 + static_cast<std::int64_t>(random() % 9)};
    Mask mask(static_cast<std::size_t>(size[0] * size[1] * size[2]));
    for (auto& v : mask) v = random() % 100 < 15 + static_cast<unsigned>(round);
    for (const Connectivity c : {Connectivity::faces6, Connectivity::edges18, Connectivity::corners26})
      ASSERT_EQ(connected_components(mask, size, c).voxel_counts, counts_by_spreading(mask, size, static_cast<int>(c)));
  }
}

TEST(Closing, A_gap_of_one_voxel_is_filled_and_a_mask_at_the_border_is_eaten_as_scipy_does) {
  const Index3 size{7, 3, 3};
  Mask mask(63, 0);
  for (std::int64_t z = 0; z < 3; ++z)
    for (std::int64_t y = 0; y < 3; ++y) mask[at(size, 2, y, z)] = mask[at(size, 4, y, z)] = 1;
  const Mask closed = closing(mask, size, Connectivity::edges18);
  // scipy.ndimage.binary_closing(mask, generate_binary_structure(3, 2)) leaves these three voxels.
  for (std::int64_t z = 0; z < 3; ++z)
    for (std::int64_t y = 0; y < 3; ++y)
      for (std::int64_t x = 0; x < 7; ++x)
        EXPECT_EQ(closed[at(size, x, y, z)], y == 1 && z == 1 && x >= 2 && x <= 4) << x << ' ' << y << ' ' << z;
}

TEST(BoundingBox, The_margin_is_clipped_at_the_volume_and_an_empty_mask_has_none) {
  const Index3 size{9, 9, 9};
  Mask mask(729, 0);
  Index3 first, last;
  EXPECT_FALSE(bounding_box(mask, size, 1, first, last));
  mask[at(size, 1, 4, 8)] = 1;
  ASSERT_TRUE(bounding_box(mask, size, 2, first, last));
  EXPECT_EQ(first, (Index3{0, 2, 6}));
  EXPECT_EQ(last, (Index3{3, 6, 8}));
}

}  // namespace
