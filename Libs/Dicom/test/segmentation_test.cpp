// SPDX-License-Identifier: Apache-2.0
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <filesystem>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/dicom/segmentation.h"
#include "series_writer.h"

namespace oncotome::dicom {
namespace {

namespace fs = std::filesystem;

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

// A result on a made-up study: 6 x 5 x planes, label 1 in one voxel, lesion 1 in the same.
class Writing : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / (std::string("oncotome_writing_") + info->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    recipe_.seed = info->name();
    set_zone("UTC");
  }
  void TearDown() override {
    fs::remove_all(folder_);
    set_zone("UTC");
  }

  static void set_zone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }

  void add_series(int number, std::int64_t planes = 4) {
    Volume<float> image(Geometry{{6, 5, planes}, {1, 1, 2}, {0, 0, 0}});
    recipe_.series_number = number;
    recipe_.directory = (folder_ / "source" / std::to_string(number)).string();
    testing::write_series(image, recipe_);
    labels_ = LabelVolume(image.geometry);
    lesions_ = LesionVolume(image.geometry);
    labels_.at(2, 3, 1) = 1;
    lesions_.at(2, 3, 1) = 1;
  }

  ResultContext context() {
    index_ = scan({(folder_ / "source").string()}, Job());
    ResultContext result;
    for (const Series& series : index_.studies.at(0).series) result.sources.push_back(&series);
    const Code lesion{"49755003", "SCT", "Morphologically Altered Structure"};
    result.labels = {{1, "Tumor", lesion, {"108369006", "SCT", "Neoplasm"}, {255, 0, 0}, true},
                     {2, "Edema", lesion, {"79654002", "SCT", "Edema"}, {0, 255, 0}, true}};
    result.label_volume = &labels_;
    Lesion one;
    one.id = 1;
    one.tracking_uid = "2.25.1";
    one.volume_mm3 = 2;
    result.lesions = {one};
    result.lesion_volume = &lesions_;
    result.task = "Test";
    result.provenance.version = "0.1.0";
    result.provenance.model_name = "model";
    result.provenance.content_date = "20200103";
    result.provenance.content_time = "111213";
    return result;
  }

  std::string path(const std::string& name = "seg.dcm") const { return (folder_ / name).string(); }

  static std::string text(const std::string& file, const DcmTagKey& tag) {
    DcmFileFormat format;
    EXPECT_TRUE(format.loadFile(file.c_str()).good());
    OFString value;
    static_cast<void>(format.getDataset()->findAndGetOFStringArray(tag, value));
    return value.c_str();
  }

  static std::size_t items(const std::string& file, const DcmTagKey& tag) {
    DcmFileFormat format;
    EXPECT_TRUE(format.loadFile(file.c_str()).good());
    DcmSequenceOfItems* sequence = nullptr;
    static_cast<void>(format.getDataset()->findAndGetSequence(tag, sequence));
    return sequence ? sequence->card() : 0;
  }

  fs::path folder_;
  testing::SeriesRecipe recipe_;
  LabelVolume labels_;
  LesionVolume lesions_;
  StudyIndex index_;
};

TEST_F(Writing, SetsTheOneBitOfEachSegmentWhereItsVoxelIs) {
  add_series(1);
  const SegmentationReceipt receipt = write_segmentation(path(), context());
  EXPECT_EQ(receipt.segment_of_label.at(2), 2);
  EXPECT_EQ(receipt.segment_of_lesion.at(1), 3);
  DcmFileFormat format;
  ASSERT_TRUE(format.loadFile(path().c_str()).good());
  const Uint8* bytes = nullptr;
  unsigned long count = 0;
  ASSERT_TRUE(format.getDataset()->findAndGetUint8Array(DCM_PixelData, bytes, &count).good());
  // 3 segments of 4 planes of 30 pixels are 360 bits; plane 1 of segments 1 and 3, pixel 2 + 6 * 3.
  ASSERT_EQ(count, 46u);
  for (std::size_t bit = 0; bit < 8 * count; ++bit)
    EXPECT_EQ(bytes[bit / 8] >> bit % 8 & 1, bit == 50 || bit == 50 + 2 * 120) << bit;
}

TEST_F(Writing, SameInputGivesTheSameBytesAndOtherVoxelsAnotherName) {
  add_series(1);
  const std::string first = write_segmentation(path("a.dcm"), context()).sop_instance_uid;
  EXPECT_EQ(write_segmentation(path("b.dcm"), context()).sop_instance_uid, first);
  EXPECT_EQ(text(path("a.dcm"), DCM_SOPInstanceUID), first);
  EXPECT_EQ(sha256_hex_of_file(path("a.dcm")), sha256_hex_of_file(path("b.dcm")));
  labels_.at(0, 0, 0) = 2;
  EXPECT_NE(write_segmentation(path("c.dcm"), context()).sop_instance_uid, first);
}

TEST_F(Writing, LeavesOutEmptyPlanesOfLongStacksButNoSegment) {
  add_series(1, 334);
  write_segmentation(path(), context());
  EXPECT_EQ(text(path(), DCM_NumberOfFrames), "3");
  ResultContext short_enough = context();
  short_enough.lesions.clear();
  lesions_.at(2, 3, 1) = 0;
  write_segmentation(path(), short_enough);
  EXPECT_EQ(text(path(), DCM_NumberOfFrames), "668");
}

TEST_F(Writing, RefersToSeriesOfTheSamePlanesAndToNoOther) {
  add_series(1);
  add_series(2);
  recipe_.frame_of_reference_uid = "2.25.99";
  add_series(3);
  write_segmentation(path(), context());
  EXPECT_EQ(items(path(), DCM_ReferencedSeriesSequence), 2u);
}

TEST_F(Writing, CopiesThePatientInTheCharacterSetOfTheSource) {
  recipe_.patient_name = "M\xfcller^Zo\xeb";
  recipe_.edit = [](DcmItem& item, std::size_t) { item.putAndInsertString(DCM_SpecificCharacterSet, "ISO_IR 100"); };
  add_series(1);
  ResultContext result = context();
  result.task =
      "\xc3\x96"
      "dem";
  const SegmentationReceipt receipt = write_segmentation(path(), result);
  write_report(path("sr.dcm"), result, path(), receipt);
  for (const std::string& file : {path(), path("sr.dcm")}) {
    EXPECT_EQ(text(file, DCM_SpecificCharacterSet), "ISO_IR 100");
    EXPECT_EQ(text(file, DCM_PatientName), recipe_.patient_name);
    EXPECT_EQ(text(file, DCM_SeriesDescription).substr(0, 14), "Oncotome ?dem ");
  }
}

TEST_F(Writing, KeepsTheStudysIdEvenWhereItIsTooLong) {
  const std::string id = "IBSI_1_STS_002_MR_T1";
  recipe_.edit = [&](DcmItem& item, std::size_t) { item.putAndInsertString(DCM_StudyID, id.c_str()); };
  add_series(1);
  const ResultContext result = context();
  write_report(path("sr.dcm"), result, path(), write_segmentation(path(), result));
  for (const std::string& file : {path(), path("sr.dcm")}) EXPECT_EQ(text(file, DCM_StudyID), id);
}

TEST_F(Writing, SaysThatItsSourceWasLossy) {
  recipe_.edit = [](DcmItem& item, std::size_t slice) {
    if (slice != 2) return;
    item.putAndInsertString(DCM_LossyImageCompression, "01");
    item.putAndInsertString(DCM_LossyImageCompressionRatio, "7.5");
  };
  add_series(1);
  write_segmentation(path(), context());
  EXPECT_EQ(text(path(), DCM_LossyImageCompression), "01");
  EXPECT_EQ(text(path(), DCM_LossyImageCompressionRatio), "7.5");
}

TEST_F(Writing, ReportIsComprehensive3DSrInTheSameStudy) {
  add_series(1);
  const ResultContext result = context();
  const SegmentationReceipt receipt = write_segmentation(path(), result);
  write_report(path("sr.dcm"), result, path(), receipt);
  EXPECT_EQ(text(path("sr.dcm"), DCM_SOPClassUID), UID_Comprehensive3DSRStorage);
  EXPECT_EQ(text(path("sr.dcm"), DCM_StudyInstanceUID), text(path(), DCM_StudyInstanceUID));
  EXPECT_NE(text(path("sr.dcm"), DCM_SeriesInstanceUID), text(path(), DCM_SeriesInstanceUID));
  EXPECT_EQ(text(path("sr.dcm"), DCM_ContentTime), "111213");
}

TEST_F(Writing, SaysTheTimeInTheZoneOfTheSource) {
  set_zone("AAA-3");
  recipe_.edit = [](DcmItem& item, std::size_t) { item.putAndInsertString(DCM_TimezoneOffsetFromUTC, "-1145"); };
  add_series(1);
  const ResultContext result = context();
  write_report(path("sr.dcm"), result, path(), write_segmentation(path(), result));
  for (const std::string& file : {path(), path("sr.dcm")}) {
    EXPECT_EQ(text(file, DCM_TimezoneOffsetFromUTC), "-1145");
    for (const DcmTagKey& tag : {DCM_ContentDate, DCM_InstanceCreationDate}) EXPECT_EQ(text(file, tag), "20200102");
    for (const DcmTagKey& tag : {DCM_ContentTime, DCM_InstanceCreationTime}) EXPECT_EQ(text(file, tag), "232713");
  }
}

TEST_F(Writing, SaysTheTimeInTheZoneOfTheMachineWhereTheSourceNamesNone) {
  set_zone("AAA-13");
  add_series(1);
  const ResultContext result = context();
  write_report(path("sr.dcm"), result, path(), write_segmentation(path(), result));
  for (const std::string& file : {path(), path("sr.dcm")}) {
    EXPECT_EQ(text(file, DCM_TimezoneOffsetFromUTC), "");
    for (const DcmTagKey& tag : {DCM_ContentDate, DCM_InstanceCreationDate}) EXPECT_EQ(text(file, tag), "20200104");
    for (const DcmTagKey& tag : {DCM_ContentTime, DCM_InstanceCreationTime}) EXPECT_EQ(text(file, tag), "001213");
  }
}

TEST_F(Writing, FilesNameOncotomeAsWhatWroteThem) {
  add_series(1);
  const ResultContext result = context();
  write_report(path("sr.dcm"), result, path(), write_segmentation(path(), result));
  for (const std::string& file : {path(), path("sr.dcm"), result.sources[0]->instances[0].path}) {
    DcmFileFormat format;
    ASSERT_TRUE(format.loadFile(file.c_str()).good());
    DcmMetaInfo& meta = *format.getMetaInfo();
    OFString name, implementation, instance;
    EXPECT_TRUE(meta.findAndGetOFString(DCM_ImplementationVersionName, name).good());
    EXPECT_TRUE(meta.findAndGetOFString(DCM_ImplementationClassUID, implementation).good());
    EXPECT_TRUE(meta.findAndGetOFString(DCM_MediaStorageSOPInstanceUID, instance).good());
    EXPECT_EQ(name, "ONCOTOME_0_1");
    EXPECT_EQ(implementation.substr(0, 5), "2.25.");
    EXPECT_EQ(instance.c_str(), text(file, DCM_SOPInstanceUID));
    Uint32 length = 0;
    EXPECT_TRUE(meta.findAndGetUint32(DCM_FileMetaInformationGroupLength, length).good());
    EXPECT_EQ(length + 12, meta.calcElementLength(EXS_LittleEndianExplicit, EET_UndefinedLength) - 132);
  }
}

TEST_F(Writing, RefusesVoxelsThatNoLabelDescribes) {
  add_series(1);
  labels_.at(0, 0, 0) = 7;
  EXPECT_EQ(code_of([&] { write_segmentation(path(), context()); }), ErrorCode::dicom_bad_value);
}

TEST_F(Writing, RefusesLabelsOnAnotherGrid) {
  add_series(1);
  labels_.geometry.origin_mm[0] += 0.5;
  EXPECT_EQ(code_of([&] { write_segmentation(path(), context()); }), ErrorCode::grid_mismatch);
}

TEST_F(Writing, LeavesNothingBehindWhereItCannotWrite) {
  add_series(1);
  fs::create_directories(path("taken") + "/inside");
  EXPECT_EQ(code_of([&] { write_segmentation(path("taken"), context()); }), ErrorCode::output_unwritable);
  EXPECT_FALSE(fs::exists(path("taken") + ".part"));
  EXPECT_EQ(code_of([&] { write_segmentation(path("missing/seg.dcm"), context()); }), ErrorCode::output_unwritable);
}

}  // namespace
}  // namespace oncotome::dicom
