// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/geometry.h"

#include <gtest/gtest.h>

namespace {

using oncotome::Geometry;

Geometry sagittal() {
  Geometry g;
  g.size = {4, 5, 6};
  g.spacing_mm = {0.5, 2, 3};
  g.origin_mm = {10, -20, 30};
  g.axis = {{{0, 1, 0}, {0, 0, -1}, {-1, 0, 0}}};
  return g;
}

TEST(Geometry, A_voxel_index_survives_the_way_to_patient_space_and_back) {
  const Geometry g = sagittal();
  const oncotome::Vec3 p = g.position_mm({1, 2, 3});
  EXPECT_DOUBLE_EQ(p[0], 10 - 9);
  EXPECT_DOUBLE_EQ(p[1], -20 + 0.5);
  EXPECT_DOUBLE_EQ(p[2], 30 - 4);
  const oncotome::Vec3 i = g.index_of(p);
  EXPECT_DOUBLE_EQ(i[0], 1);
  EXPECT_DOUBLE_EQ(i[1], 2);
  EXPECT_DOUBLE_EQ(i[2], 3);
}

TEST(Geometry, Grids_differ_when_a_far_corner_moves_more_than_the_tolerance) {
  const Geometry g = sagittal();
  Geometry other = g;
  EXPECT_TRUE(same_grid(g, other));
  other.spacing_mm[2] += 0.01;
  EXPECT_FALSE(same_grid(g, other));
}

}  // namespace
