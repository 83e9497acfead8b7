// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/stack_resampling.h"

#include <cmath>

#include "made_series.h"

namespace oncotome::dicom {
namespace {

/// Slices of 5 x 4 pixels of 0.75 x 0.5 mm; the voxel at column i, row j has the value 100 i + 10 j + its z in mm.
class Stack {
 public:
  explicit Stack(const std::vector<Vec3>& places) {
    Volume<float> volume(axial_grid(static_cast<std::int64_t>(places.size())));
    for (std::size_t i = 0; i < volume.voxels.size(); ++i)
      volume.voxels[i] = static_cast<float>(100 * (i % 5) + 10 * (i / 5 % 4) + std::lround(places[i / 20][2]));
    testing::SeriesRecipe recipe;
    recipe.directory = folder_.path();
    recipe.edit = [&](DcmItem& item, std::size_t k) {
      put(item, DCM_ImagePositionPatient,
          std::to_string(places[k][0]) + "\\" + std::to_string(places[k][1]) + "\\" + std::to_string(places[k][2]));
    };
    testing::write_series(volume, recipe);
    series_ = only_series(folder_.path());
  }

  const Series& series() const { return series_; }
  Volume<float> load(GeometryPolicy policy) const { return load_volume(series_, Job(), policy, &notes_); }
  const LoadNotes& notes() const { return notes_; }

 private:
  Folder folder_;
  Series series_;
  mutable LoadNotes notes_;
};

TEST(StackResampling, A_missing_slice_is_interpolated_only_where_that_is_allowed) {
  const Stack stack({{0, 0, 0}, {0, 0, 2}, {0, 0, 6}, {0, 0, 8}});
  EXPECT_EQ(fault_of(stack.series()), "dicom.missing_slices");
  EXPECT_EQ(stack.series().cure, GeometryPolicy::fill);
  EXPECT_EQ(stack.series().holes, std::vector<std::size_t>{1});
  EXPECT_EQ(error_of([&] { stack.load(GeometryPolicy::strict); }), "dicom.missing_slices");
  EXPECT_EQ(error_of([&] { stack.load(GeometryPolicy::correct); }), "dicom.missing_slices");
  const Volume<float> volume = stack.load(GeometryPolicy::fill);
  ASSERT_EQ(volume.geometry.size, (Index3{5, 4, 5}));
  EXPECT_NEAR(volume.geometry.spacing_mm[2], 2, 1e-9);
  for (std::int64_t k = 0; k < 5; ++k) EXPECT_EQ(volume.at(3, 2, k), 320 + 2 * k);
  ASSERT_EQ(stack.notes().corrections.size(), 1u);
  EXPECT_NE(stack.notes().corrections[0].find("1 of its 5 planes interpolated"), std::string::npos);
  EXPECT_NE(stack.notes().corrections[0].find("1 where slices are missing"), std::string::npos);
  const LabelVolume measured = measured_voxels(stack.series());
  for (std::int64_t k = 0; k < 5; ++k) EXPECT_EQ(measured.at(1, 1, k), k == 2 ? 0 : 1);
}

TEST(StackResampling, A_tilted_stack_gets_a_canvas_and_goes_back_to_its_slices) {
  // 0.5 mm sideways per 2 mm: one row; 14 degrees.
  const Stack stack({{0, 10, 0}, {0, 10.5, 2}, {0, 11, 4}, {0, 11.5, 6}});
  EXPECT_EQ(fault_of(stack.series()), "dicom.gantry_tilt");
  EXPECT_EQ(stack.series().cure, GeometryPolicy::correct);
  const Volume<float> volume = stack.load(GeometryPolicy::correct);
  ASSERT_EQ(volume.geometry.size, (Index3{5, 7, 4}));
  const LabelVolume measured = measured_voxels(stack.series());
  LesionVolume marked(volume.geometry);
  for (std::int64_t k = 0; k < 4; ++k)
    for (std::int64_t j = 0; j < 7; ++j)
      for (std::int64_t i = 0; i < 5; ++i) {
        const bool inside = j >= k && j < k + 4;
        EXPECT_EQ(measured.at(i, j, k), inside);
        EXPECT_EQ(volume.at(i, j, k), inside ? 100 * i + 10 * (j - k) + 2 * k : 0);
        marked.at(i, j, k) = static_cast<std::uint16_t>(inside ? volume.at(i, j, k) : 9999);
      }
  const LesionVolume back = on_source_planes(marked, stack.series());
  ASSERT_EQ(back.geometry.size, (Index3{5, 4, 4}));
  for (std::int64_t k = 0; k < 4; ++k)
    for (std::int64_t j = 0; j < 4; ++j) EXPECT_EQ(back.at(2, j, k), 200 + 10 * j + 2 * k);
}

TEST(StackResampling, Two_distances_are_resampled_to_the_smaller) {
  const Stack stack({{0, 0, 0}, {0, 0, 2}, {0, 0, 4}, {0, 0, 6}, {0, 0, 10}, {0, 0, 14}, {0, 0, 18}});
  EXPECT_EQ(fault_of(stack.series()), "dicom.uneven_spacing");
  EXPECT_EQ(stack.series().cure, GeometryPolicy::correct);
  EXPECT_TRUE(stack.series().holes.empty());
  const Volume<float> volume = stack.load(GeometryPolicy::correct);
  ASSERT_EQ(volume.geometry.size, (Index3{5, 4, 10}));
  for (std::int64_t k = 0; k < 10; ++k) EXPECT_EQ(volume.at(4, 1, k), 410 + 2 * k);
}

TEST(StackResampling, More_tilt_than_45_degrees_is_not_corrected) {
  const Stack stack({{0, 0, 0}, {0, 2.1, 2}, {0, 4.2, 4}, {0, 6.3, 6}});
  EXPECT_EQ(fault_of(stack.series()), "dicom.gantry_tilt");
  EXPECT_FALSE(stack.series().is_readable(GeometryPolicy::fill));
}

TEST(StackResampling, A_grid_of_many_times_the_pixels_is_refused) {
  // Slices of 3.75 x 2 mm that drift by 90 mm both ways.
  std::vector<Vec3> positions(46);
  for (int k = 0; k < 46; ++k) positions[static_cast<std::size_t>(k)] = {1.4 * k, 1.4 * k, 2.0 * k};
  EXPECT_EQ(fault_of(Stack(positions).series()), "dicom.bad_value");
}

TEST(StackResampling, Half_of_the_slices_must_be_there) {
  const Stack stack({{0, 0, 0}, {0, 0, 2}, {0, 0, 4}, {0, 0, 20}});
  EXPECT_EQ(fault_of(stack.series()), "dicom.missing_slices");
  EXPECT_FALSE(stack.series().is_readable(GeometryPolicy::fill));
}

}  // namespace
}  // namespace oncotome::dicom
