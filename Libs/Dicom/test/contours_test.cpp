// SPDX-License-Identifier: Apache-2.0
#include "contours.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "made_series.h"
#include "oncotome/dicom/masks.h"
#include "oncotome/dicom/segmentation.h"

namespace oncotome::dicom {
namespace {

std::vector<std::uint8_t> pixels_of(const std::string& picture) {
  std::vector<std::uint8_t> pixels;
  for (const char c : picture) pixels.push_back(c == '#');
  return pixels;
}

double area(const Contour& contour) {
  double sum = 0;
  for (std::size_t i = 0; i < contour.size(); ++i) {
    const auto &a = contour[i], &b = contour[(i + 1) % contour.size()];
    sum += (a[0] * b[1] - b[0] * a[1]) / 2;
  }
  return std::abs(sum);
}

TEST(Contours, GoThroughTheMiddlesOfTheEdgesOfAPixel) {
  const auto contours = contours_of(pixels_of("   "
                                              " # "
                                              "   "),
                                    3, 3);
  ASSERT_EQ(contours.size(), 1u);
  EXPECT_EQ(contours[0], (Contour{{1, 0.5}, {1.5, 1}, {1, 1.5}, {0.5, 1}}));
}

TEST(Contours, LeaveOutPointsOnAStraightLine) {
  // Marching squares cut an eighth of a pixel off each of four corners.
  const auto contours = contours_of(std::vector<std::uint8_t>(20 * 10, 1), 20, 10);
  ASSERT_EQ(contours.size(), 1u);
  EXPECT_EQ(contours[0].size(), 8u);
  EXPECT_DOUBLE_EQ(area(contours[0]), 200 - 0.5);
}

TEST(Contours, KeepPixelsApartThatMeetAtACorner) {
  EXPECT_EQ(contours_of(pixels_of("# "
                                  " #"),
                        2, 2)
                .size(),
            2u);
}

TEST(Contours, JoinAHoleToTheContourRoundIt) {
  const auto contours = contours_of(pixels_of("#####"
                                              "# # #"
                                              "#####"
                                              "#  ##"
                                              "#####"),
                                    5, 5);
  ASSERT_EQ(contours.size(), 1u);
  // 25 - 0.5 less two diamonds of 0.5 and a hole of two pixels, 1.5: the channels have no area.
  EXPECT_DOUBLE_EQ(area(contours[0]), 25 - 0.5 - 2 * 0.5 - 1.5);
}

TEST(Contours, OfNothingAreNone) { EXPECT_TRUE(contours_of(std::vector<std::uint8_t>(12, 0), 4, 3).empty()); }

/// A random mask on an oblique series, written as structures and read back.
TEST(StructureSetWriting, ComesBackVoxelByVoxel) {
  Folder folder;
  Geometry grid = axial_grid(3);
  grid.size = {33, 21, 3};
  grid.axis = {{{0.8, 0.6, 0}, {-0.6, 0.8, 0}, {0, 0, 1}}};
  write_ramp(folder / "series", grid);
  const Series series = only_series(folder / "series");
  std::mt19937 random(5);
  LabelVolume labels(grid);
  for (std::uint8_t& voxel : labels.voxels) voxel = random() % 5 < 3;
  ResultContext context;
  context.sources = {&series};
  context.labels = {{1, "Tumor", {"49755003", "SCT", "Lesion"}, {"4147007", "SCT", "Mass"}, {255, 0, 0}, true}};
  context.label_volume = &labels;
  context.provenance.content_date = "20200103";
  context.provenance.content_time = "111213";
  write_structure_set(folder / "rs.dcm", context);
  const MaskReferences named = mask_references(folder / "rs.dcm");
  EXPECT_EQ(named.series_uids, std::vector<std::string>{series.series_uid});
  EXPECT_EQ(named.frame_of_reference_uids, std::vector<std::string>{series.frame_of_reference_uid});
  const std::vector<Mask> masks = read_structure_set(folder / "rs.dcm", series.geometry, Job());
  ASSERT_EQ(masks.size(), 1u);
  EXPECT_EQ(masks[0].off_grid, 0);
  EXPECT_EQ(masks[0].voxels.voxels, labels.voxels);
}

TEST(StructureSetWriting, TakesImplicitVrForAContourThatExplicitVrCannotHold) {
  Folder folder;
  Geometry grid = axial_grid(2);
  grid.size = {120, 120, 2};
  write_ramp(folder / "series", grid, {}, "CT");
  const Series series = only_series(folder / "series");
  LabelVolume labels(grid);
  ResultContext context;
  context.sources = {&series};
  context.labels = {{1, "Tumor", {"49755003", "SCT", "Lesion"}, {"4147007", "SCT", "Mass"}, {255, 0, 0}, true}};
  context.label_volume = &labels;
  context.provenance.content_date = "20200103";
  context.provenance.content_time = "111213";
  // A comb of many teeth: one island whose contour has thousands of points.
  for (std::int64_t y = 0; y < 120; ++y)
    for (std::int64_t x = 0; x < 120; ++x)
      labels.at(x, y, 0) = y % 4 == 0 || (y % 4 == 2 ? x == 0 : false) || (y % 4 == 1 && x % 2 == 0) ||
                           (y % 4 == 3 && (x == 0 || x % 2 == 1));
  write_structure_set(folder / "rs.dcm", context);
  EXPECT_EQ(read_structure_set(folder / "rs.dcm", series.geometry, Job()).at(0).voxels.voxels, labels.voxels);
  DcmFileFormat file;
  ASSERT_TRUE(file.loadFile((folder / "rs.dcm").c_str()).good());
  EXPECT_EQ(file.getDataset()->getOriginalXfer(), EXS_LittleEndianImplicit);
}

}  // namespace
}  // namespace oncotome::dicom
