// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "made_series.h"

namespace oncotome::dicom {
namespace {

constexpr double kDegree = 3.14159265358979323846 / 180;

Geometry turned(const Vec3& row, const Vec3& column) {
  Geometry g = axial_grid();
  g.axis = {row, column, cross(row, column)};
  return g;
}

void expect_same(const Geometry& a, const Geometry& b) {
  EXPECT_EQ(a.size, b.size);
  for (std::size_t d = 0; d < 3; ++d) {
    EXPECT_NEAR(a.spacing_mm[d], b.spacing_mm[d], 1e-9);
    EXPECT_NEAR(a.origin_mm[d], b.origin_mm[d], 1e-9);
    EXPECT_NEAR(norm(a.axis[d] - b.axis[d]), 0, 1e-9);
  }
}

void expect_round_trip(const Geometry& geometry) {
  const Folder folder;
  write_ramp(folder.path(), geometry);
  const Series series = only_series(folder.path());
  ASSERT_EQ(fault_of(series), "none");
  expect_same(series.geometry, geometry);
  const Volume<float> volume = load(series);
  expect_same(volume.geometry, geometry);
  EXPECT_EQ(volume.voxels, ramp(geometry).voxels);
}

TEST(Scan, An_axial_series_keeps_its_grid_and_voxels) { expect_round_trip(turned({1, 0, 0}, {0, 1, 0})); }
TEST(Scan, A_sagittal_series_keeps_its_grid_and_voxels) { expect_round_trip(turned({0, 1, 0}, {0, 0, -1})); }
TEST(Scan, A_coronal_series_keeps_its_grid_and_voxels) { expect_round_trip(turned({1, 0, 0}, {0, 0, -1})); }
TEST(Scan, Columns_that_run_to_the_front_are_not_mirrored) { expect_round_trip(turned({-1, 0, 0}, {0, -1, 0})); }

TEST(Scan, An_oblique_series_keeps_its_grid_and_voxels) {
  const double a = 20 * kDegree, b = 35 * kDegree;
  expect_round_trip(
      turned({std::cos(a), std::sin(a), 0}, {-std::sin(a) * std::cos(b), std::cos(a) * std::cos(b), std::sin(b)}));
}

// Expected numbers worked out by hand: n = (0,1,0) x (0,0,-1) = (-1,0,0).
TEST(Scan, Positions_written_by_hand_give_the_grid_worked_out_by_hand) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(3), [](DcmItem& item, std::size_t slice) {
    const char* x[] = {"5.0", "10.0", "7.5"};
    put(item, DCM_ImageOrientationPatient, "0\\1\\0\\0\\0\\-1");
    put(item, DCM_ImagePositionPatient, std::string(x[slice]) + "\\-12.5\\+3E1");
    put(item, DCM_PixelSpacing, "0.7\\0.9");
  });
  const Series series = only_series(folder.path());
  ASSERT_EQ(fault_of(series), "none");
  Geometry expected;
  expected.size = {5, 4, 3};
  expected.spacing_mm = {0.9, 0.7, 2.5};
  expected.origin_mm = {10, -12.5, 30};
  expected.axis = {{{0, 1, 0}, {0, 0, -1}, {-1, 0, 0}}};
  expect_same(series.geometry, expected);
  const Volume<float> volume = load(series);
  EXPECT_EQ(volume.at(0, 0, 0), 20 - 17);
  EXPECT_EQ(volume.at(0, 0, 1), 40 - 17);
  EXPECT_EQ(volume.at(0, 0, 2), 0 - 17);
}

TEST(Scan, A_stack_numbered_against_its_normal_comes_out_right_handed) {
  Geometry reversed = axial_grid();
  reversed.axis[2] = {0, 0, -1};
  const Folder folder;
  write_ramp(folder.path(), reversed);
  const Series series = only_series(folder.path());
  ASSERT_EQ(fault_of(series), "none");
  Geometry expected = axial_grid();
  expected.origin_mm[2] = 30 - 5 * 2.5;
  expect_same(series.geometry, expected);
  const Volume<float> volume = load(series), source = ramp(reversed);
  for (std::int64_t k = 0; k < 6; ++k) EXPECT_EQ(volume.at(2, 1, k), source.at(2, 1, 5 - k));
}

TEST(Scan, File_names_instance_numbers_and_slice_locations_do_not_order_the_slices) {
  const Folder folder;
  testing::SeriesRecipe recipe;
  recipe.directory = folder.path();
  recipe.order = {3, 0, 5, 1, 4, 2};
  recipe.edit = [](DcmItem& item, std::size_t slice) { put(item, DCM_SliceLocation, std::to_string((slice * 5) % 6)); };
  testing::write_series(ramp(axial_grid()), recipe);
  const Series series = only_series(folder.path());
  ASSERT_EQ(fault_of(series), "none");
  expect_same(series.geometry, axial_grid());
  EXPECT_EQ(load(series).voxels, ramp(axial_grid()).voxels);
}

TEST(Scan, Missing_slices_are_counted_and_placed) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid(12));
  const std::string before_hole = only_series(folder.path()).instances[3].sop_instance_uid;
  for (const int gone : {4, 5, 8}) std::filesystem::remove(paths[static_cast<std::size_t>(gone)]);
  const Series series = only_series(folder.path());
  ASSERT_EQ(fault_of(series), "dicom.missing_slices");
  EXPECT_NE(series.fault->reason.find("3 slices are missing"), std::string::npos) << series.fault->reason;
  EXPECT_NE(series.fault->reason.find("after slice 4 of 9"), std::string::npos) << series.fault->reason;
  EXPECT_NE(series.fault->reason.find(before_hole), std::string::npos) << series.fault->reason;
  EXPECT_EQ(error_of([&] { load(series); }), "dicom.missing_slices");
}

/// Six slices, 2.5 mm apart, one of them moved.
Series with_slice_moved(const Vec3& by_mm) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(), [&](DcmItem& item, std::size_t slice) {
    if (slice != 3) return;
    put(item, DCM_ImagePositionPatient,
        std::to_string(-10 + by_mm[0]) + "\\" + std::to_string(20 + by_mm[1]) + "\\" +
            std::to_string(30 + 7.5 + by_mm[2]));
  });
  return only_series(folder.path());
}

TEST(Scan, A_step_off_by_more_than_one_percent_is_uneven) {
  EXPECT_EQ(fault_of(with_slice_moved({0, 0, 0.03})), "dicom.uneven_spacing");
  const Series fine = with_slice_moved({0, 0, 0.02});
  EXPECT_EQ(fault_of(fine), "none");
  EXPECT_TRUE(fine.doubts.empty());
}

TEST(Scan, A_slice_beside_the_stack_is_uneven) {
  EXPECT_EQ(fault_of(with_slice_moved({0.06, 0, 0})), "dicom.uneven_spacing");
  EXPECT_EQ(fault_of(with_slice_moved({0.04, 0, 0})), "none");
}

TEST(Scan, Two_slices_at_one_place_are_a_fault) {
  EXPECT_EQ(fault_of(with_slice_moved({0, 0, -2.5})), "dicom.duplicate_position");
}

Series with_tilt(double degrees, const std::string& tag_value) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(), [&](DcmItem& item, std::size_t slice) {
    const double along = 2.5 * static_cast<double>(slice);
    put(item, DCM_ImagePositionPatient,
        "-10\\" + std::to_string(20 + along * std::tan(degrees * kDegree)) + "\\" + std::to_string(30 + along));
    put(item, DCM_GantryDetectorTilt, tag_value);
  });
  return only_series(folder.path());
}

TEST(Scan, A_slanted_stack_is_a_fault_whatever_the_tag_says) {
  EXPECT_EQ(fault_of(with_tilt(0.12, "0")), "dicom.gantry_tilt");
  EXPECT_EQ(fault_of(with_tilt(-15, "0")), "dicom.gantry_tilt");
  EXPECT_EQ(fault_of(with_tilt(0.08, "0")), "none");
  // 400 slices of 2.5 mm drift 1.4 mm by it, more than a pixel.
  const Folder folder;
  write_ramp(folder.path(), axial_grid(400), [](DcmItem& item, std::size_t slice) {
    const double along = 2.5 * static_cast<double>(slice);
    put(item, DCM_ImagePositionPatient, "0\\" + std::to_string(along * 0.0014) + "\\" + std::to_string(along));
  });
  EXPECT_EQ(fault_of(only_series(folder.path())), "dicom.gantry_tilt");
  EXPECT_EQ(fault_of(with_tilt(0, "15")), "none");
}

Series with_orientation_of_slice_2(const std::string& cosines, const std::string& image_type) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(), [&](DcmItem& item, std::size_t slice) {
    if (slice != 2) return;
    put(item, DCM_ImageOrientationPatient, cosines);
    put(item, DCM_ImageType, image_type);
  });
  return only_series(folder.path());
}

TEST(Scan, Orientations_may_differ_by_rounding_only) {
  EXPECT_EQ(fault_of(with_orientation_of_slice_2("1\\0.001\\0\\-0.001\\1\\0", "ORIGINAL\\PRIMARY\\OTHER")),
            "dicom.mixed_orientation");
  EXPECT_EQ(fault_of(with_orientation_of_slice_2("1\\0.00001\\0\\-0.00001\\1\\0", "ORIGINAL\\PRIMARY\\OTHER")), "none");
}

TEST(Scan, A_localizer_inside_is_left_out) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(), [](DcmItem& item, std::size_t slice) {
    if (slice != 5) return;
    put(item, DCM_ImageOrientationPatient, "1\\0\\0\\0\\0\\-1");
    put(item, DCM_ImageType, "ORIGINAL\\PRIMARY\\LOCALIZER");
  });
  const Series series = only_series(folder.path());
  EXPECT_EQ(fault_of(series), "none");
  EXPECT_EQ(series.instances.size(), 5u);
  EXPECT_EQ(series.geometry.size[2], 5);
  EXPECT_TRUE(has_doubt(series, "1 localizer"));
}

Series edited(const Edit& edit, const std::string& modality = "MR") {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(), edit, modality);
  return only_series(folder.path());
}

TEST(Scan, Slices_of_different_sizes_or_pixel_spacings_are_a_fault) {
  EXPECT_EQ(fault_of(edited([](DcmItem& item, std::size_t slice) {
              if (slice == 1) put(item, DCM_Rows, 5), put(item, DCM_Columns, 4);
            })),
            "dicom.mixed_size");
  EXPECT_EQ(fault_of(edited([](DcmItem& item, std::size_t slice) {
              if (slice == 1) put(item, DCM_PixelSpacing, "0.5\\0.76");
            })),
            "dicom.mixed_size");
}

TEST(Scan, Positions_that_numbers_do_not_tell_apart_are_a_fault) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(20), [](DcmItem& item, std::size_t slice) {
    const std::string far = slice % 2 == 0 ? "1e308" : "-1e308";
    put(item, DCM_ImagePositionPatient, far + "\\" + far + "\\" + far);
  });
  EXPECT_EQ(fault_of(only_series(folder.path())), "dicom.bad_value");
}

TEST(Scan, Images_without_a_place_in_space_are_a_fault) {
  for (const DcmTagKey& tag : {DCM_ImagePositionPatient, DCM_ImageOrientationPatient, DCM_PixelSpacing})
    EXPECT_EQ(fault_of(edited([&](DcmItem& item, std::size_t slice) {
                if (slice == 4) item.findAndDeleteElement(tag);
              })),
              "dicom.no_geometry");
  EXPECT_EQ(fault_of(edited([](DcmItem& item, std::size_t slice) {
              if (slice == 4) put(item, DCM_FrameOfReferenceUID, "1.2.3");
            })),
            "dicom.no_geometry");
}

TEST(Scan, A_single_slice_is_too_few) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(1));
  EXPECT_EQ(fault_of(only_series(folder.path())), "dicom.too_few_slices");
}

TEST(Scan, Steps_that_the_tags_deny_are_doubts_and_positions_win) {
  const Series series = edited([](DcmItem& item, std::size_t) {
    put(item, DCM_SliceThickness, "5");
    put(item, DCM_SpacingBetweenSlices, "-3");
  });
  EXPECT_EQ(series.geometry.spacing_mm[2], 2.5);
  EXPECT_TRUE(has_doubt(series, "SliceThickness is 5 mm"));
  EXPECT_TRUE(has_doubt(series, "SpacingBetweenSlices is -3 mm"));
  EXPECT_FALSE(has_doubt(edited([](DcmItem& item, std::size_t) { put(item, DCM_SpacingBetweenSlices, "-2.5"); }),
                         "SpacingBetweenSlices"));
}

TEST(Scan, Slices_that_may_be_missing_at_an_end_are_a_doubt) {
  EXPECT_TRUE(has_doubt(
      edited([](DcmItem& item, std::size_t slice) { put(item, DCM_InstanceNumber, std::to_string(slice + 3)); }),
      "InstanceNumber starts at 3"));
  EXPECT_TRUE(has_doubt(edited([](DcmItem& item, std::size_t) { put(item, DCM_ImagesInAcquisition, "8"); }),
                        "ImagesInAcquisition is 8"));
}

}  // namespace
}  // namespace oncotome::dicom
