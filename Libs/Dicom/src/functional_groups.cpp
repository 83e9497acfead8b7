// SPDX-License-Identifier: Apache-2.0
#include "functional_groups.h"

#include "oncotome/core/error.h"
#include "sequences.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

// What ReferencedFrameNumber (US) of a dimension can hold, and more than any scanner makes.
constexpr int kMaxFrames = 65535;

DcmItem* first_of(DcmItem* item, const DcmTagKey& sequence) { return item ? first_item(*item, sequence) : nullptr; }

}  // namespace

bool is_multi_frame_class(const std::string& uid) {
  return uid == UID_EnhancedCTImageStorage || uid == UID_EnhancedMRImageStorage || uid == UID_EnhancedPETImageStorage ||
         uid == UID_LegacyConvertedEnhancedCTImageStorage || uid == UID_LegacyConvertedEnhancedMRImageStorage ||
         uid == UID_LegacyConvertedEnhancedPETImageStorage;
}

FunctionalGroups::FunctionalGroups(DcmItem& dataset) : dataset_(dataset) {
  if (!is_multi_frame_class(raw_text(dataset, DCM_SOPClassUID))) return;
  const auto expected = static_cast<std::size_t>(whole(dataset, DCM_NumberOfFrames, 1, kMaxFrames));
  shared_ = first_item(dataset, DCM_SharedFunctionalGroupsSequence);
  frames_ = items_of(dataset, DCM_PerFrameFunctionalGroupsSequence);
  if (frames_.size() != expected)
    throw Error(ErrorCode::dicom_bad_value, "NumberOfFrames is " + std::to_string(expected) + ", but " +
                                                std::to_string(frames_.size()) + " frames are described");
}

DcmItem& FunctionalGroups::macro(int frame, const DcmTagKey& sequence) {
  if (frames_.empty()) return dataset_;
  DcmItem* item = first_of(frames_.at(static_cast<std::size_t>(frame - 1)), sequence);
  if (!item) item = first_of(shared_, sequence);
  return item ? *item : none_;
}

DcmItem& FunctionalGroups::holder(int frame, const DcmTagKey& tag) {
  if (frames_.empty()) return dataset_;
  for (const DcmTagKey& sequence :
       {DCM_UnassignedPerFrameConvertedAttributesSequence, DCM_UnassignedSharedConvertedAttributesSequence})
    if (DcmItem& item = macro(frame, sequence); item.tagExistsWithValue(tag)) return item;
  return dataset_;
}

}  // namespace oncotome::dicom
