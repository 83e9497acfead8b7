// SPDX-License-Identifier: Apache-2.0
#include "mask_volume.h"

#include <algorithm>
#include <filesystem>

#include "unpacked_input.h"

namespace oncotome::workflow {
namespace {

using Uids = std::vector<std::string>;

bool holds(const Uids& uids, const std::string& uid) { return std::find(uids.begin(), uids.end(), uid) != uids.end(); }

std::string numbers_of(const std::vector<dicom::Mask>& masks) {
  std::string text;
  for (const dicom::Mask& mask : masks) text += (text.empty() ? "" : ", ") + std::to_string(mask.number);
  return text;
}

}  // namespace

// By name; where the names were changed (by an anonymizer, say), the only series in the same frame of reference.
Geometry grid_of_series(const std::string& path, const std::string& reference, std::vector<std::string>& notes,
                        const Job& job) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  const dicom::MaskReferences wanted = dicom::mask_references(path);
  const UnpackedInput input({reference.empty() ? folder : reference}, job);
  const dicom::StudyIndex index = dicom::scan(input.paths(), job);
  std::vector<const dicom::Series*> by_name, by_frame;
  for (const dicom::Study& study : index.studies)
    for (const dicom::Series& series : study.series) {
      if (series.kind != dicom::SeriesKind::volume) continue;
      if (holds(wanted.series_uids, series.series_uid)) by_name.push_back(&series);
      if (holds(wanted.frame_of_reference_uids, series.frame_of_reference_uid)) by_frame.push_back(&series);
    }
  const auto& found = by_name.empty() ? by_frame : by_name;
  if (found.empty())
    throw Error(ErrorCode::input_no_images,
                "the series that the structure set was drawn on is not there: name its folder with --reference");
  if (found.size() > 1)
    throw Error(ErrorCode::input_ambiguous, std::to_string(found.size()) +
                                                " series may be the one that the structure set was drawn on: name the "
                                                "folder of one with --reference");
  if (!found.front()->is_readable(dicom::GeometryPolicy::fill))
    throw Error(found.front()->fault->code, found.front()->fault->reason);
  if (by_name.empty())
    notes.emplace_back(
        "the series that the structure set names is not there: it was drawn on one in its frame of reference");
  return found.front()->geometry;
}

void note_masks(const std::vector<dicom::Mask>& masks, std::vector<std::string>& notes) {
  if (!masks.empty() && !masks.front().note.empty()) notes.push_back(masks.front().note);
  for (const dicom::Mask& mask : masks)
    if (mask.off_grid > 0)
      notes.push_back(std::to_string(mask.off_grid) + " contours of ROI " + std::to_string(mask.number) +
                      " lie beside the planes of the grid and were left out");
}

LabelVolume read_mask_volume(const std::string& path, const std::string& reference, std::optional<int> number,
                             std::vector<std::string>& notes, const Job& job) {
  const bool drawn = dicom::mask_kind(path) == dicom::MaskKind::structure_set;
  std::vector<dicom::Mask> masks =
      drawn ? dicom::read_structure_set(path, grid_of_series(path, reference, notes, job), job, number)
            : dicom::read_segmentation(path, job, number);
  if (masks.empty())
    throw Error(ErrorCode::usage, number ? "there is no segment or ROI " + std::to_string(*number)
                                         : std::string("the file describes no segment or ROI"));
  note_masks(masks, notes);
  if (number) return std::move(masks.front().voxels);
  std::sort(masks.begin(), masks.end(), [](const dicom::Mask& a, const dicom::Mask& b) { return a.number < b.number; });
  if (masks.front().number < 1 || masks.back().number > 255)
    throw Error(ErrorCode::usage,
                "a label volume holds numbers from 1 to 255; choose one with --segment of " + numbers_of(masks));
  LabelVolume out(masks.front().voxels.geometry);
  bool overlap = false;
  for (const dicom::Mask& mask : masks)
    for (std::size_t i = 0; i < out.voxels.size(); ++i) {
      if (!mask.voxels.voxels[i]) continue;
      overlap = overlap || out.voxels[i] != 0;
      if (out.voxels[i] == 0) out.voxels[i] = static_cast<std::uint8_t>(mask.number);
    }
  if (overlap)
    notes.push_back("segments overlap: the lowest number was kept; --segment gives one of " + numbers_of(masks));
  return out;
}

}  // namespace oncotome::workflow
