// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/masks.h"

#include <dcmtk/dcmdata/dcrleerg.h>
#include <gtest/gtest.h>

#include "made_series.h"
#include "oncotome/dicom/decimal_string.h"

namespace oncotome::dicom {
namespace {

DcmItem& add_item(DcmItem& item, const DcmTagKey& sequence) {
  DcmItem* added = nullptr;
  EXPECT_TRUE(item.findOrCreateSequenceItem(sequence, added, -2).good());
  return *added;
}

std::string ds(double value) { return decimal_string(value); }

/// A Segmentation of 3 x 3 pixels, so that no frame ends with a byte; each frame is one row of nine digits.
class Segmentations : public ::testing::Test {
 protected:
  struct Frame {
    int segment;
    double z;
    std::string digits;
  };

  DcmItem& item() { return *file_.getDataset(); }

  void make(const std::vector<int>& segments, const std::vector<Frame>& frames, const std::string& type = "BINARY") {
    put(item(), DCM_SOPClassUID, type == "LABELMAP" ? "1.2.840.10008.5.1.4.1.1.66.7" : UID_SegmentationStorage);
    put(item(), DCM_SOPInstanceUID, "1.2.3");
    put(item(), DCM_SegmentationType, type);
    put(item(), DCM_Rows, 3);
    put(item(), DCM_Columns, 3);
    put_bits(type == "BINARY" ? 1 : 8);
    put(item(), DCM_NumberOfFrames, std::to_string(frames.size()));
    for (const int number : segments) {
      DcmItem& segment = add_item(item(), DCM_SegmentSequence);
      put(segment, DCM_SegmentNumber, number);
      put(segment, DCM_SegmentLabel, "Segment " + std::to_string(number));
      put(add_item(segment, DCM_SegmentedPropertyTypeCodeSequence), DCM_CodeValue, "4147007");
    }
    DcmItem& shared = add_item(item(), DCM_SharedFunctionalGroupsSequence);
    put(add_item(shared, DCM_PixelMeasuresSequence), DCM_PixelSpacing, "0.5\\0.75");
    put(add_item(shared, DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
    std::vector<Uint8> bytes;
    for (std::size_t f = 0; f < frames.size(); ++f) {
      DcmItem& own = add_item(item(), DCM_PerFrameFunctionalGroupsSequence);
      put(add_item(own, DCM_PlanePositionSequence), DCM_ImagePositionPatient, "-10\\20\\" + ds(frames[f].z));
      if (type != "LABELMAP")
        put(add_item(own, DCM_SegmentIdentificationSequence), DCM_ReferencedSegmentNumber, frames[f].segment);
      for (std::size_t i = 0; i < 9; ++i) {
        const std::size_t at = f * 9 + i;
        const int value = frames[f].digits[i] - '0';
        if (type == "BINARY") {
          bytes.resize(at / 8 + 1);
          bytes[at / 8] = static_cast<Uint8>(bytes[at / 8] | value << at % 8);
        } else {
          bytes.push_back(static_cast<Uint8>(value));
        }
      }
    }
    put_pixels(bytes);
  }

  void put_bits(int bits) {
    put(item(), DCM_BitsAllocated, bits);
    put(item(), DCM_BitsStored, bits);
    put(item(), DCM_HighBit, bits - 1);
    put(item(), DCM_PixelRepresentation, 0);
    put(item(), DCM_SamplesPerPixel, 1);
    put(item(), DCM_PhotometricInterpretation, "MONOCHROME2");
  }

  void put_pixels(std::vector<Uint8> bytes) {
    bytes.resize((bytes.size() + 1) / 2 * 2);
    ASSERT_TRUE(item().putAndInsertUint8Array(DCM_PixelData, bytes.data(), bytes.size()).good());
  }

  DcmItem& frame(long index) {
    DcmItem* found = nullptr;
    EXPECT_TRUE(item().findAndGetSequenceItem(DCM_PerFrameFunctionalGroupsSequence, found, index).good());
    return *found;
  }
  void move(long index, const std::string& position) {
    DcmItem* place = nullptr;
    ASSERT_TRUE(frame(index).findAndGetSequenceItem(DCM_PlanePositionSequence, place).good());
    put(*place, DCM_ImagePositionPatient, position);
  }
  DcmItem& shared() {
    DcmItem* found = nullptr;
    EXPECT_TRUE(item().findAndGetSequenceItem(DCM_SharedFunctionalGroupsSequence, found).good());
    return *found;
  }

  std::vector<Mask> read(std::optional<int> only = {}, E_TransferSyntax syntax = EXS_LittleEndianExplicit) {
    EXPECT_TRUE(file_.getDataset()->chooseRepresentation(syntax, nullptr).good());
    EXPECT_TRUE(file_.saveFile(path().c_str(), syntax).good());
    return read_segmentation(path(), Job(), only);
  }
  std::string fault() {
    return error_of([this] { read(); });
  }
  std::string path() const { return folder_ / "seg.dcm"; }

  static std::string digits(const Mask& mask) {
    std::string text;
    for (const std::uint8_t voxel : mask.voxels.voxels) text += static_cast<char>('0' + voxel);
    return text;
  }

  Folder folder_;
  DcmFileFormat file_;
};

const std::string kA = "101010101", kB = "110000011", kC = "000000001", kNone = "000000000";

TEST_F(Segmentations, AreUnpackedAcrossBytesWhateverTheOrderOfTheFrames) {
  make({1, 3}, {{3, 7.5, kA}, {1, 5, kB}, {1, 10, kC}, {3, 5, kC}});
  const std::vector<Mask> masks = read();
  ASSERT_EQ(masks.size(), 2u);
  EXPECT_EQ(masks[0].number, 1);
  EXPECT_EQ(masks[1].number, 3);
  EXPECT_EQ(masks[1].name, "Segment 3");
  EXPECT_EQ(masks[1].type.value, "4147007");
  EXPECT_EQ(digits(masks[0]), kB + kNone + kC);
  EXPECT_EQ(digits(masks[1]), kC + kA + kNone);
  const Geometry& g = masks[0].voxels.geometry;
  EXPECT_EQ(g.size, (Index3{3, 3, 3}));
  EXPECT_EQ(g.spacing_mm, (Vec3{0.75, 0.5, 2.5}));
  EXPECT_EQ(g.origin_mm, (Vec3{-10, 20, 5}));
}

TEST_F(Segmentations, LeaveOutPlanesThatTheirStatedDistanceTells) {
  make({1}, {{1, 0, kA}, {1, 6, kB}});
  EXPECT_EQ(read()[0].voxels.geometry.size[2], 2);
  DcmItem* measures = nullptr;
  ASSERT_TRUE(shared().findAndGetSequenceItem(DCM_PixelMeasuresSequence, measures).good());
  put(*measures, DCM_SpacingBetweenSlices, "-2");
  EXPECT_EQ(digits(read()[0]), kA + kNone + kNone + kB);
}

TEST_F(Segmentations, FindMacrosInEitherPlace) {
  make({5}, {{5, 0, kA}, {5, 1, kB}});
  for (const long f : {0, 1}) {
    delete frame(f).remove(DCM_SegmentIdentificationSequence);
    put(add_item(frame(f), DCM_PixelMeasuresSequence), DCM_PixelSpacing, "2\\3");
  }
  put(add_item(shared(), DCM_SegmentIdentificationSequence), DCM_ReferencedSegmentNumber, 5);
  const std::vector<Mask> masks = read();
  EXPECT_EQ(digits(masks[0]), kA + kB);
  EXPECT_EQ(masks[0].voxels.geometry.spacing_mm, (Vec3{3, 2, 1}));
}

TEST_F(Segmentations, FractionalOnesAreInsideFromHalfOfTheMaximum) {
  make({1}, {{1, 0, "012345678"}, {1, 1, "999000999"}}, "FRACTIONAL");
  put(item(), DCM_MaximumFractionalValue, 9);
  EXPECT_EQ(digits(read()[0]), "000001111111000111");
  put(item(), DCM_MaximumFractionalValue, 0);
  EXPECT_EQ(fault(), "dicom.bad_value");
}

TEST_F(Segmentations, LabelMapsHoldTheNumberOfTheSegment) {
  make({0, 2, 7}, {{0, 4, "220000277"}, {0, 2, "700000007"}}, "LABELMAP");
  const std::vector<Mask> masks = read();
  ASSERT_EQ(masks.size(), 2u);
  EXPECT_EQ(digits(masks[0]), kNone + "110000100");
  EXPECT_EQ(digits(masks[1]), "100000001000000011");
  EXPECT_EQ(digits(read(7).at(0)), digits(masks[1]));
}

TEST_F(Segmentations, LabelMapsOfSixteenBitsAreRead) {
  make({300}, {{0, 0, kNone}, {0, 1, kNone}}, "LABELMAP");
  put_bits(16);
  std::vector<Uint16> words(18, 0);
  words[10] = 300;
  ASSERT_TRUE(item().putAndInsertUint16Array(DCM_PixelData, words.data(), words.size()).good());
  EXPECT_EQ(digits(read()[0]), kNone + "010000000");
}

TEST_F(Segmentations, FramesPaddedToBytesAreReadWhereTheLengthTellsSo) {
  make({1},
       {{1, 0, kA}, {1, 1, kB}, {1, 2, kC}, {1, 3, kA}, {1, 4, kB}, {1, 5, kC}, {1, 6, kA}, {1, 7, kB}, {1, 8, kC}});
  const std::string expected = digits(read()[0]);
  std::vector<Uint8> bytes;  // 9 frames of 9 bits: 11 bytes in one string, 18 by frame, 27 by row
  for (int i = 0; i < 3; ++i) bytes.insert(bytes.end(), {0x55, 0x01, 0x83, 0x01, 0x00, 0x01});
  put_pixels(bytes);
  EXPECT_EQ(digits(read()[0]), expected);
  bytes.clear();
  for (int i = 0; i < 3; ++i) bytes.insert(bytes.end(), {5, 2, 5, 3, 0, 6, 0, 0, 4});
  put_pixels(bytes);
  EXPECT_EQ(digits(read()[0]), expected);
  put_pixels(std::vector<Uint8>(20));
  EXPECT_EQ(fault(), "dicom.bad_value");
}

TEST_F(Segmentations, WithoutAnyPositionAreOnePlane) {
  make({1, 2}, {{1, 0, kA}, {2, 0, kB}});
  for (const long f : {0, 1}) delete frame(f).remove(DCM_PlanePositionSequence);
  EXPECT_EQ(digits(read()[0]), kA);
  EXPECT_EQ(digits(read()[1]), kB);
}

TEST_F(Segmentations, ThatContradictThemselvesAreRefused) {
  make({}, {});
  put(item(), DCM_NumberOfFrames, "2");
  EXPECT_EQ(fault(), "dicom.bad_value");
}

TEST_F(Segmentations, WithTwoFramesAtOnePlaceAreRefused) {
  make({1}, {{1, 0, kA}, {1, 0, kB}, {1, 1, kB}});
  EXPECT_EQ(fault(), "dicom.duplicate_position");
}

TEST_F(Segmentations, WithAFrameBesideThePlanesThatTheirStatedDistanceTellsAreRefused) {
  make({1, 2}, {{1, 0, kA}, {2, 0.009, kB}});
  DcmItem* measures = nullptr;
  ASSERT_TRUE(shared().findAndGetSequenceItem(DCM_PixelMeasuresSequence, measures).good());
  put(*measures, DCM_SpacingBetweenSlices, "0.00001");
  EXPECT_EQ(fault(), "dicom.too_few_slices");
}

TEST_F(Segmentations, FurtherAwayThanNumbersTellAreRefused) {
  make({1}, {{1, 0, kA}, {1, 1e308, kB}});
  EXPECT_EQ(fault(), "dicom.bad_value");
}

TEST_F(Segmentations, OfSegmentsThatNobodyDescribesAreRefused) {
  make({1}, {{2, 0, kA}, {1, 1, kA}});
  EXPECT_EQ(fault(), "dicom.bad_value");
}

TEST_F(Segmentations, OfAbsurdSizeAreRefused) {
  make({1}, {{1, 0, kA}, {1, 1, kB}});
  for (const char* frames : {"0", "-4", "1e3", "12\\13", "99999999999999999999"}) {
    put(item(), DCM_NumberOfFrames, frames);
    EXPECT_EQ(fault(), "dicom.bad_value") << frames;
  }
  put(item(), DCM_NumberOfFrames, "2147483647");
  put(item(), DCM_Rows, 16384);
  EXPECT_EQ(fault(), "input.unsupported");
  put(item(), DCM_Rows, 16385);
  EXPECT_EQ(fault(), "dicom.bad_value");
}

TEST_F(Segmentations, CompressedOnesAreRead) {
  DcmRLEEncoderRegistration::registerCodecs();
  make({2, 7}, {{0, 4, "220000277"}, {0, 2, "700000007"}}, "LABELMAP");
  for (const E_TransferSyntax syntax :
       {EXS_RLELossless, EXS_DeflatedLittleEndianExplicit, EXS_BigEndianExplicit, EXS_LittleEndianImplicit}) {
    const std::vector<Mask> masks = read({}, syntax);
    EXPECT_EQ(digits(masks.at(1)), "100000001000000011") << DcmXfer(syntax).getXferName();
  }
  DcmRLEEncoderRegistration::cleanup();
}

TEST_F(Segmentations, WithSlantedPlanesAreResampledToARegularGrid) {
  // One column per plane: 45 degrees, less a little.
  make({1}, {{1, 0, "010010010"}, {1, 0.76, "010010010"}, {1, 1.52, "010010010"}});
  for (long f = 0; f < 3; ++f)
    move(f, ds(-10 + 0.75 * static_cast<double>(f)) + "\\20\\" + ds(0.76 * static_cast<double>(f)));
  const Mask mask = read().at(0);
  EXPECT_EQ(mask.voxels.geometry.size, (Index3{5, 3, 3}));
  EXPECT_EQ(digits(mask),
            "010000100001000"
            "001000010000100"
            "000100001000010");
  EXPECT_NE(mask.note.find("slanted"), std::string::npos);
}

TEST_F(Segmentations, WithUnevenPlanesAreResampledAndWideGapsAreEmpty) {
  const std::string full = "111111111";
  make({1}, {{1, 0, full},
             {1, 2, full},
             {1, 4, full},
             {1, 6.5, full},
             {1, 9, full},
             {1, 11, full},
             {1, 17, full},
             {1, 19, full}});
  const Mask mask = read().at(0);
  EXPECT_FALSE(mask.note.empty());
  EXPECT_EQ(mask.voxels.geometry.size[2], 10);
  EXPECT_EQ(digits(mask), full + full + full + full + full + full + kNone + kNone + full + full);
}

TEST_F(Segmentations, WithTurnedOrFarSlantedPlanesAreRefused) {
  make({1}, {{1, 0, kA}, {1, 1, kB}});
  move(1, "-10\\22\\1");
  EXPECT_EQ(fault(), "dicom.gantry_tilt");
  put(add_item(frame(1), DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient, "1\\0\\0\\0\\0\\1");
  EXPECT_EQ(fault(), "dicom.mixed_orientation");
}

/// A Structure Set on a grid of 8 x 6 x 4 voxels of 1 x 1 x 2 mm from the origin.
class StructureSets : public ::testing::Test {
 protected:
  StructureSets() {
    grid_.size = {8, 6, 4};
    grid_.spacing_mm = {1, 1, 2};
    put(item(), DCM_SOPClassUID, UID_RTStructureSetStorage);
    put(item(), DCM_SOPInstanceUID, "1.2.4");
    add_roi(4);
  }

  DcmItem& item() { return *file_.getDataset(); }

  void add_roi(int number) {
    DcmItem& roi = add_item(item(), DCM_StructureSetROISequence);
    put(roi, DCM_ROINumber, std::to_string(number));
    put(roi, DCM_ROIName, "GTV");
    roi_ = &add_item(item(), DCM_ROIContourSequence);
    put(*roi_, DCM_ReferencedROINumber, std::to_string(number));
  }

  void add(const std::vector<std::pair<double, double>>& points, double z, const std::string& type = "CLOSED_PLANAR") {
    std::string text;
    for (const auto& [x, y] : points) text += (text.empty() ? "" : "\\") + ds(x) + "\\" + ds(y) + "\\" + ds(z);
    DcmItem& contour = add_item(*roi_, DCM_ContourSequence);
    put(contour, DCM_ContourGeometricType, type);
    put(contour, DCM_ContourData, text);
  }

  void add_box(double low, double high, double z) { add({{low, low}, {high, low}, {high, high}, {low, high}}, z); }

  std::vector<Mask> read() {
    EXPECT_TRUE(file_.saveFile(path().c_str(), EXS_LittleEndianImplicit).good());
    return read_structure_set(path(), grid_, Job());
  }
  std::string path() const { return folder_ / "rs.dcm"; }

  static std::int64_t count(const Mask& mask) {
    return std::count(mask.voxels.voxels.begin(), mask.voxels.voxels.end(), 1);
  }

  Folder folder_;
  DcmFileFormat file_;
  Geometry grid_;
  DcmItem* roi_ = nullptr;
};

TEST_F(StructureSets, HoldTheVoxelsWhoseCentersAreInside) {
  add({{0.5, 0.5}, {3.5, 0.5}, {3.5, 2.5}, {0.5, 2.5}}, 2);
  const std::vector<Mask> masks = read();
  ASSERT_EQ(masks.size(), 1u);
  EXPECT_EQ(masks[0].number, 4);
  EXPECT_EQ(masks[0].name, "GTV");
  EXPECT_EQ(count(masks[0]), 6);
  for (std::int64_t j = 1; j <= 2; ++j)
    for (std::int64_t i = 1; i <= 3; ++i) EXPECT_EQ(masks[0].voxels.at(i, j, 1), 1);
}

TEST_F(StructureSets, AreFilledEvenOddSoThatHolesStayOpen) {
  add_box(0.5, 5.5, 0);
  add_box(1.5, 3.5, 0);
  // The same as one contour with a channel to its hole and back.
  add({{0.5, 0.5},
       {5.5, 0.5},
       {5.5, 5.5},
       {0.5, 5.5},
       {0.5, 0.5},
       {1.5, 1.5},
       {1.5, 3.5},
       {3.5, 3.5},
       {3.5, 1.5},
       {1.5, 1.5}},
      4);
  const Mask mask = read()[0];
  for (std::int64_t j = 0; j < 6; ++j)
    for (std::int64_t i = 0; i < 8; ++i) EXPECT_EQ(mask.voxels.at(i, j, 0), mask.voxels.at(i, j, 2)) << i << ' ' << j;
  EXPECT_EQ(count(mask), 2 * (25 - 4));
}

TEST_F(StructureSets, CountAContourThatIsThereTwiceOnce) {
  add_box(0.5, 2.5, 0);
  add_box(0.5, 2.5, 0);
  EXPECT_EQ(count(read()[0]), 4);
}

TEST_F(StructureSets, PassOverPointsAndOpenContours) {
  add({{1, 1}}, 0, "POINT");
  add({{1, 1}, {4, 1}, {4, 4}}, 0, "OPEN_PLANAR");
  add({{1, 1}, {4, 1}}, 0);
  add_roi(9);  // without a ContourSequence
  const std::vector<Mask> masks = read();
  ASSERT_EQ(masks.size(), 2u);
  EXPECT_EQ(count(masks[0]) + count(masks[1]), 0);
}

TEST_F(StructureSets, AreCutAtTheBorderOfTheGrid) {
  add_box(-1e9, 1e9, 6);
  EXPECT_EQ(count(read()[0]), 48);
}

TEST_F(StructureSets, CountContoursBesideThePlanesAndRefuseWhereAllAre) {
  add_box(0.5, 2.5, 0.3);
  add_box(0.5, 2.5, 1);
  add_box(0.5, 2.5, 8);
  const Mask mask = read()[0];
  EXPECT_EQ(mask.on_grid, 1);
  EXPECT_EQ(mask.off_grid, 2);
  EXPECT_EQ(count(mask), 4);
  grid_.origin_mm[2] = 100;
  EXPECT_EQ(error_of([this] { read(); }), "grid.mismatch");
}

TEST_F(StructureSets, WithDamagedNumbersAreRefused) {
  add_box(0.5, 2.5, 0);
  DcmItem* contour = nullptr;
  ASSERT_TRUE(roi_->findAndGetSequenceItem(DCM_ContourSequence, contour).good());
  for (const char* data : {"1\\2\\3\\4", "1\\2\\x\\4\\5\\6\\7\\8\\9", "1\\2\\nan\\4\\5\\6\\7\\8\\9"}) {
    put(*contour, DCM_ContourData, data);
    EXPECT_EQ(error_of([this] { read(); }), "dicom.bad_value") << data;
  }
}

TEST_F(StructureSets, AreToldFromOtherFilesAndNameTheirSeries) {
  DcmItem& frame = add_item(item(), DCM_ReferencedFrameOfReferenceSequence);
  DcmItem& study = add_item(frame, DCM_RTReferencedStudySequence);
  for (const char* uid : {"1.2.3", "1.2.3", "../etc"})
    put(add_item(study, DCM_RTReferencedSeriesSequence), DCM_SeriesInstanceUID, uid);
  add_box(0.5, 2.5, 0);
  read();
  EXPECT_EQ(mask_kind(path()), MaskKind::structure_set);
  EXPECT_EQ(mask_references(path()).series_uids, std::vector<std::string>{"1.2.3"});
  const std::string image = write_ramp(folder_ / "ct", axial_grid()).front();
  EXPECT_EQ(mask_kind(image), MaskKind::none);
  EXPECT_EQ(mask_kind(folder_ / "missing"), MaskKind::none);
  EXPECT_EQ(error_of([&] { read_structure_set(image, grid_, Job()); }), "input.unsupported");
  EXPECT_EQ(error_of([&] { read_segmentation(image, Job()); }), "input.unsupported");
}

}  // namespace
}  // namespace oncotome::dicom
