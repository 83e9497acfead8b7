// SPDX-License-Identifier: Apache-2.0
#include "functional_groups.h"

#include <charconv>

#include "oncotome/core/error.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

// What ReferencedFrameNumber (US) of a dimension can hold, and more than any scanner makes.
constexpr int kMaxFrames = 65535;

int count_of_frames(DcmItem& dataset) {
  const std::string text = raw_text(dataset, DCM_NumberOfFrames);
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count < 1 || count > kMaxFrames)
    throw Error(ErrorCode::dicom_bad_value,
                "NumberOfFrames is no whole number from 1 to " + std::to_string(kMaxFrames));
  return count;
}

DcmItem* first_item(DcmItem* item, const DcmTagKey& sequence) {
  DcmItem* found = nullptr;
  return item && item->findAndGetSequenceItem(sequence, found, 0).good() ? found : nullptr;
}

}  // namespace

bool is_multi_frame_class(const std::string& uid) {
  return uid == UID_EnhancedCTImageStorage || uid == UID_EnhancedMRImageStorage || uid == UID_EnhancedPETImageStorage ||
         uid == UID_LegacyConvertedEnhancedCTImageStorage || uid == UID_LegacyConvertedEnhancedMRImageStorage ||
         uid == UID_LegacyConvertedEnhancedPETImageStorage;
}

FunctionalGroups::FunctionalGroups(DcmItem& dataset) : dataset_(dataset) {
  if (!is_multi_frame_class(raw_text(dataset, DCM_SOPClassUID))) return;
  const int expected = count_of_frames(dataset);
  shared_ = first_item(&dataset, DCM_SharedFunctionalGroupsSequence);
  DcmSequenceOfItems* frames = nullptr;
  if (dataset.findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, frames).good() && frames)
    for (DcmObject* item = frames->nextInContainer(nullptr); item; item = frames->nextInContainer(item))
      frames_.push_back(static_cast<DcmItem*>(item));
  if (frames_.size() != static_cast<std::size_t>(expected))
    throw Error(ErrorCode::dicom_bad_value, "NumberOfFrames is " + std::to_string(expected) + ", but " +
                                                std::to_string(frames_.size()) + " frames are described");
}

DcmItem& FunctionalGroups::macro(int frame, const DcmTagKey& sequence) {
  if (frames_.empty()) return dataset_;
  DcmItem* item = first_item(frames_.at(static_cast<std::size_t>(frame - 1)), sequence);
  if (!item) item = first_item(shared_, sequence);
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
