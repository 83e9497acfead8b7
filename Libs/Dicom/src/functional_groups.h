// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <string>
#include <vector>

namespace oncotome::dicom {

/// Whether the class keeps what it says of its images in functional groups: Enhanced and Legacy Converted Enhanced CT,
/// MR and PET.
bool is_multi_frame_class(const std::string& sop_class_uid);

/// Where a file says what about its images: in the data set, or in the functional groups of a frame (PS3.3 C.7.6.16).
/// Lives no longer than the data set.
class FunctionalGroups {
 public:
  /// Throws Error{dicom_bad_value} when a multi-frame file has not one group for each of NumberOfFrames.
  explicit FunctionalGroups(DcmItem& dataset);

  DcmItem& dataset() { return dataset_; }
  int frames() const { return static_cast<int>(frames_.size()); }  ///< 0 when the file is a single image.

  /// The item of a macro: the frame's (from 1), else the shared one, else an empty one. The data set of a single image.
  DcmItem& macro(int frame, const DcmTagKey& sequence);

  /// What holds an attribute that no macro has: converters put it aside, PS3.3 C.7.6.16.2.25 and .26.
  DcmItem& holder(int frame, const DcmTagKey& tag);

 private:
  DcmItem& dataset_;
  DcmItem* shared_ = nullptr;
  std::vector<DcmItem*> frames_;
  DcmItem none_;
};

}  // namespace oncotome::dicom
