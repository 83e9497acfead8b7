// SPDX-License-Identifier: Apache-2.0
#include "display_frame.h"

#include <gtest/gtest.h>

#include <cmath>

namespace oncotome::render {
namespace {

using Letters = std::array<std::string, 4>;
using Axes = std::array<std::size_t, 2>;
using Flips = std::array<bool, 2>;

DisplayFrame frame_of(const Vec3& x, const Vec3& y) {
  Geometry g;
  g.axis = {x, y, cross(x, y)};
  return display_frame(g);
}

TEST(DisplayFrame, An_axial_slice_has_patient_right_at_the_left_and_anterior_on_top) {
  const DisplayFrame f = frame_of({1, 0, 0}, {0, 1, 0});
  EXPECT_STREQ(f.plane, "axial");
  EXPECT_EQ(f.letters, (Letters{"R", "L", "A", "P"}));
  EXPECT_EQ(f.axis, (Axes{0, 1}));
  EXPECT_EQ(f.reversed, (Flips{false, false}));
}

TEST(DisplayFrame, An_axial_slice_whose_axes_run_to_the_right_and_forward_is_turned_over) {
  const DisplayFrame f = frame_of({-1, 0, 0}, {0, -1, 0});
  EXPECT_EQ(f.letters, (Letters{"R", "L", "A", "P"}));
  EXPECT_EQ(f.reversed, (Flips{true, true}));
}

TEST(DisplayFrame, An_axial_slice_with_swapped_axes_is_transposed) {
  const DisplayFrame f = frame_of({0, -1, 0}, {1, 0, 0});
  EXPECT_EQ(f.letters, (Letters{"R", "L", "A", "P"}));
  EXPECT_EQ(f.axis, (Axes{1, 0}));
  EXPECT_EQ(f.reversed, (Flips{false, true}));
}

TEST(DisplayFrame, A_sagittal_slice_has_anterior_at_the_left_and_the_head_on_top) {
  const DisplayFrame f = frame_of({0, 1, 0}, {0, 0, -1});
  EXPECT_STREQ(f.plane, "sagittal");
  EXPECT_EQ(f.letters, (Letters{"A", "P", "H", "F"}));
  EXPECT_EQ(f.axis, (Axes{0, 1}));
  EXPECT_EQ(f.reversed, (Flips{false, false}));
}

TEST(DisplayFrame, A_sagittal_slice_stored_feet_first_is_turned_head_up) {
  const DisplayFrame f = frame_of({0, 0, 1}, {0, 1, 0});
  EXPECT_EQ(f.letters, (Letters{"A", "P", "H", "F"}));
  EXPECT_EQ(f.axis, (Axes{1, 0}));
  EXPECT_EQ(f.reversed, (Flips{false, true}));
}

TEST(DisplayFrame, A_coronal_slice_has_patient_right_at_the_left_and_the_head_on_top) {
  const DisplayFrame f = frame_of({1, 0, 0}, {0, 0, 1});
  EXPECT_STREQ(f.plane, "coronal");
  EXPECT_EQ(f.letters, (Letters{"R", "L", "H", "F"}));
  EXPECT_EQ(f.axis, (Axes{0, 1}));
  EXPECT_EQ(f.reversed, (Flips{false, true}));
}

TEST(DisplayFrame, A_slice_turned_by_30_degrees_gets_two_letters_and_one_turned_by_15_degrees_gets_one) {
  const auto turned = [](double degrees) {
    const double a = degrees * std::acos(-1.0) / 180;
    return frame_of({std::cos(a), std::sin(a), 0}, {-std::sin(a), std::cos(a), 0});
  };
  EXPECT_EQ(turned(30).letters, (Letters{"RA", "LP", "AL", "PR"}));
  EXPECT_EQ(turned(15).letters, (Letters{"R", "L", "A", "P"}));
}

}  // namespace
}  // namespace oncotome::render
