// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "functional_groups.h"
#include "oncotome/dicom/scan.h"

namespace oncotome::dicom {

/// The attributes of the planes of a series; each file is read once, without its pixels.
class SourcePlanes {
 public:
  /// Throws Error{input_unreadable, dicom_bad_value}.
  explicit SourcePlanes(const Series& series);

  std::size_t size() const { return planes_.size(); }
  DcmFileFormat& file(std::size_t k) { return *planes_[k].file; }
  DcmItem& dataset(std::size_t k) { return planes_[k].groups->dataset(); }
  int frames(std::size_t k) const { return planes_[k].groups->frames(); }  ///< Of the file; 0 for a single image.

  /// Texts of VR DS as the source has them, since viewers compare planes with a tight tolerance; one too long for DS is
  /// shortened. Throw Error{dicom_bad_value}.
  std::vector<std::string> position(std::size_t k);
  std::vector<std::string> orientation(std::size_t k);
  std::vector<std::string> pixel_spacing(std::size_t k);

 private:
  struct Plane {
    DcmFileFormat* file;
    FunctionalGroups* groups;
    int frame;
  };

  std::vector<std::string> texts(std::size_t k, const DcmTagKey& macro, const DcmTagKey& tag, std::size_t count);

  std::vector<std::unique_ptr<DcmFileFormat>> files_;
  std::vector<std::unique_ptr<FunctionalGroups>> groups_;
  std::vector<Plane> planes_;
};

/// The instances without repeats, each with the frames of it that the series has; none where it is a single image.
struct ReferencedInstance {
  const Instance* instance;
  std::vector<int> frames;
  std::size_t first;  ///< Index of its first plane in the series.
};
std::vector<ReferencedInstance> referenced_instances(const Series& series);

}  // namespace oncotome::dicom
