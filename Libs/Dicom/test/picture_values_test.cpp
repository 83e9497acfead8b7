// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/picture.h"

#include "lookup_table.h"
#include "made_series.h"

namespace oncotome::dicom {
namespace {

TEST(Pictures, Tables_whose_descriptor_no_word_holds_are_refused) {
  const auto with = [](const char* shape) {
    DcmItem item;
    auto* descriptor = new DcmDecimalString(DcmTag(DCM_LUTDescriptor, EVR_DS));
    EXPECT_TRUE(descriptor->putString(shape).good());
    EXPECT_TRUE(item.insert(descriptor).good());
    const Uint16 entries[] = {7, 8};
    EXPECT_TRUE(item.putAndInsertUint16Array(DCM_LUTData, entries, 2).good());
    return error_of([&] { read_lookup_table(item, DCM_LUTDescriptor, DCM_LUTData, false); });
  };
  EXPECT_EQ(with("2\\0\\16"), "none");
  EXPECT_EQ(with("2\\-5\\16"), "none");
  for (const char* shape : {"1e300\\0\\16", "2\\-1e300\\16", "2\\0\\1e19", "2\\0"})
    EXPECT_EQ(with(shape), "dicom.bad_value") << shape;
}

/// A gray picture of the values 0 and 200.
Picture gray(const std::vector<std::pair<DcmTagKey, std::string>>& texts) {
  DcmFileFormat file;
  DcmDataset& item = *file.getDataset();
  put(item, DCM_SOPClassUID, UID_SecondaryCaptureImageStorage);
  for (const DcmTagKey& uid : {DCM_SOPInstanceUID, DCM_SeriesInstanceUID, DCM_StudyInstanceUID})
    put(item, uid, "1.2.3");
  put(item, DCM_Modality, "OT");
  put_pixel_module(item, "MONOCHROME2", 1, 2, 8);
  for (const auto& [tag, text] : texts) put(item, tag, text);
  const Uint8 cells[] = {0, 200};
  EXPECT_TRUE(item.putAndInsertUint8Array(DCM_PixelData, cells, 2).good());
  const Folder folder;
  EXPECT_TRUE(file.saveFile((folder / "x.dcm").c_str(), EXS_LittleEndianExplicit).good());
  return load_picture(only_series(folder.path()), 0, Job());
}

TEST(Pictures, Are_shown_over_all_their_values_where_the_window_makes_no_sense) {
  const std::vector<std::uint8_t> ends{0, 255};
  EXPECT_EQ(display_bytes(gray({})), ends);
  EXPECT_EQ(display_bytes(gray({{DCM_WindowCenter, "300"}, {DCM_WindowWidth, "201"}})),
            (std::vector<std::uint8_t>{0, 1}));
  EXPECT_EQ(display_bytes(gray({{DCM_WindowCenter, "-1.7e308"}, {DCM_WindowWidth, "1.7e308"}})), ends);
  EXPECT_EQ(error_of([] { gray({{DCM_RescaleSlope, "1e39"}, {DCM_RescaleIntercept, "0"}}); }), "dicom.bad_value");
}

}  // namespace
}  // namespace oncotome::dicom
