// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/deidentify.h"

#include "made_series.h"

namespace oncotome::dicom {
namespace {

const DcmTagKey kUnknown{0x0018, 0x7ffe}, kSequence = DCM_ReferencedImageSequence;

/// An element with a VR of its own, whatever the dictionary says of its tag.
void insert_as(DcmItem& item, const DcmTagKey& tag, DcmEVR vr, const char* value) {
  DcmElement* element = DcmItem::newDicomElement(DcmTag(tag, DcmVR(vr)));
  ASSERT_TRUE(element && element->putString(value).good() && item.insert(element).good());
}

TEST(Deidentify, Attributes_that_the_standard_does_not_know_are_removed) {
  for (const auto& [vr, value] : {std::pair{EVR_DA, "20200102"}, {EVR_LO, "Tumor"}, {EVR_UI, "1.2.3"}}) {
    const Folder in, out;
    write_ramp(in.path(), axial_grid(1), [vr = vr, value = value](DcmItem& item, std::size_t) {
      insert_as(item, kUnknown, vr, value);
      insert_as(item, kSequence, vr, value);
    });
    DeidentifyOptions options;
    options.key = "key";
    options.shifted_dates = true;
    EXPECT_EQ(deidentify({in.path()}, out.path(), options, Job()).written, 1u);
    DcmFileFormat file;
    ASSERT_TRUE(file.loadFile((out / "000001.dcm").c_str()).good());
    EXPECT_FALSE(file.getDataset()->tagExists(kUnknown)) << value;
    EXPECT_FALSE(file.getDataset()->tagExists(kSequence)) << value;
  }
}

}  // namespace
}  // namespace oncotome::dicom
