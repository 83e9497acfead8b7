// SPDX-License-Identifier: Apache-2.0
#include "mask_file.h"

#include <algorithm>

#include "file_start.h"
#include "guarded_load.h"
#include "header.h"
#include "oncotome/dicom/masks.h"
#include "quiet_dcmtk.h"
#include "sequences.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

void add_uid(DcmItem& item, const DcmTagKey& tag, std::vector<std::string>& uids) {
  const std::string uid = raw_text(item, tag);
  if (is_uid(uid) && std::find(uids.begin(), uids.end(), uid) == uids.end()) uids.push_back(uid);
}

void add_series(DcmItem& item, const DcmTagKey& sequence, std::vector<std::string>& uids) {
  for (DcmItem* series : items_of(item, sequence)) add_uid(*series, DCM_SeriesInstanceUID, uids);
}

}  // namespace

std::unique_ptr<DcmFileFormat> load_mask_file(const std::string& path) {
  auto file = std::make_unique<DcmFileFormat>();
  const OFCondition loaded = guarded_load(*file, path, kAfterPixelData);
  if (loaded.bad()) throw Error(ErrorCode::input_unreadable, "the file cannot be read: it is damaged or no DICOM file");
  return file;
}

void check_mask_memory(std::uint64_t masks, std::uint64_t voxels) {
  if (voxels > 0 && masks > kMostMaskBytes / voxels)
    throw Error(ErrorCode::input_unsupported, "its " + std::to_string(masks) + " masks of " + std::to_string(voxels) +
                                                  " voxels would take more than 4 GiB: choose one by its number");
}

MaskKind mask_kind(const std::string& path) {
  const QuietDcmtk quiet;
  if (kind_of_file(path) != FileKind::dicom) return MaskKind::none;
  try {
    DcmFileFormat file;
    if (guarded_load(file, path, DCM_StudyDate).bad()) return MaskKind::none;
    const std::string uid = raw_text(*file.getDataset(), DCM_SOPClassUID);
    if (uid == UID_SegmentationStorage || uid == kLabelMapClass) return MaskKind::segmentation;
    if (uid == UID_RTStructureSetStorage) return MaskKind::structure_set;
  } catch (const Error&) {  // the readers say why
  }
  return MaskKind::none;
}

MaskReferences mask_references(const std::string& path) {
  const QuietDcmtk quiet;
  const auto file = load_mask_file(path);
  DcmItem& item = *file->getDataset();
  MaskReferences found;
  add_series(item, DCM_ReferencedSeriesSequence, found.series_uids);
  add_uid(item, DCM_FrameOfReferenceUID, found.frame_of_reference_uids);
  for (DcmItem* frame : items_of(item, DCM_ReferencedFrameOfReferenceSequence)) {
    add_uid(*frame, DCM_FrameOfReferenceUID, found.frame_of_reference_uids);
    for (DcmItem* study : items_of(*frame, DCM_RTReferencedStudySequence))
      add_series(*study, DCM_RTReferencedSeriesSequence, found.series_uids);
  }
  return found;
}

}  // namespace oncotome::dicom
