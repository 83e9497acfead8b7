// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/deidentify.h"

#include "made_series.h"

namespace oncotome::dicom {
namespace {

const DcmTagKey kUnknown{0x0018, 0x7ffe}, kSequence = DCM_ReferencedImageSequence;

/// An element with a VR of its own, whatever the dictionary says of its tag.
template <class Element>
void insert_as(DcmItem& item, const DcmTagKey& tag, DcmEVR vr, const char* value) {
  auto* element = new Element(DcmTag(tag, DcmVR(vr)));
  ASSERT_TRUE(element->putString(value).good());
  ASSERT_TRUE(item.insert(element, true).good());
}

template <class Element>
void expect_removed(DcmEVR vr, const char* value) {
  const Folder in, out;
  write_ramp(in.path(), axial_grid(2), [&](DcmItem& item, std::size_t) {
    insert_as<Element>(item, kUnknown, vr, value);
    insert_as<Element>(item, kSequence, vr, value);
  });
  DeidentifyOptions options;
  options.key = "key";
  options.shifted_dates = true;
  EXPECT_EQ(deidentify({in.path()}, out.path(), options, Job()).written, 2u);
  DcmFileFormat file;
  ASSERT_TRUE(file.loadFile((out / "000001.dcm").c_str()).good());
  EXPECT_FALSE(file.getDataset()->tagExists(kUnknown)) << value;
  EXPECT_FALSE(file.getDataset()->tagExists(kSequence)) << value;
}

TEST(Deidentify, Attributes_that_the_standard_does_not_know_are_removed) {
  expect_removed<DcmDate>(EVR_DA, "20200102");
  expect_removed<DcmLongString>(EVR_LO, "Tumor");
  expect_removed<DcmUniqueIdentifier>(EVR_UI, "1.2.3");
}

}  // namespace
}  // namespace oncotome::dicom
