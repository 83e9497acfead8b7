// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <vector>

namespace oncotome::dicom {

/// The items of a sequence; none when it is absent or no sequence.
inline std::vector<DcmItem*> items_of(DcmItem& item, const DcmTagKey& tag) {
  std::vector<DcmItem*> items;
  DcmSequenceOfItems* sequence = nullptr;
  if (item.findAndGetSequence(tag, sequence).bad() || !sequence) return items;
  items.reserve(sequence->card());
  for (DcmObject* child = sequence->nextInContainer(nullptr); child; child = sequence->nextInContainer(child))
    items.push_back(static_cast<DcmItem*>(child));
  return items;
}

/// The first item of a sequence, or nothing.
inline DcmItem* first_item(DcmItem& item, const DcmTagKey& tag) {
  DcmItem* first = nullptr;
  return item.findAndGetSequenceItem(tag, first, 0).good() ? first : nullptr;
}

}  // namespace oncotome::dicom
