// SPDX-License-Identifier: Apache-2.0
#include "segmentation_plan.h"

#include <map>

#include "bit_packing.h"
#include "oncotome/dicom/stack_resampling.h"

namespace oncotome::dicom {
namespace {

constexpr std::size_t kKeepEmptyFramesUpTo = 1000;

// present[segment][plane]; a value that is no segment would be lost silently.
template <class T>
void mark_present(const Volume<T>& volume, const std::map<T, std::size_t>& segment_of,
                  std::vector<std::vector<bool>>& present) {
  const auto plane_size = static_cast<std::size_t>(volume.geometry.size[0] * volume.geometry.size[1]);
  T last = 0;
  std::size_t segment = 0;
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) {
    const T value = volume.voxels[i];
    if (value == 0) continue;
    if (value != last) {
      const auto found = segment_of.find(value);
      if (found == segment_of.end())
        throw Error(ErrorCode::dicom_bad_value, "the result has voxels of value " + std::to_string(value) +
                                                    ", for which no label or lesion is described");
      last = value;
      segment = found->second;
    }
    present[segment][i / plane_size] = true;
  }
}

void check_grids(const ResultContext& context) {
  if (context.sources.empty() || !context.label_volume)
    throw Error(ErrorCode::dicom_bad_value, "a segmentation needs a source series and a label volume");
  const Series& grid = *context.sources.front();
  const bool lesions_fit =
      !context.lesion_volume || same_grid(context.lesion_volume->geometry, context.label_volume->geometry);
  if (!same_grid(context.label_volume->geometry, grid.geometry) || !lesions_fit ||
      (!is_resampled(grid) && grid.instances.size() != static_cast<std::size_t>(grid.geometry.size[2])))
    throw Error(ErrorCode::grid_mismatch, "the labels do not lie on the grid of the source series");
  if (!context.lesions.empty() && !context.lesion_volume)
    throw Error(ErrorCode::dicom_bad_value, "lesions are given without their voxels");
}

}  // namespace

SegmentationPlan plan_segmentation(const ResultContext& context) {
  check_grids(context);
  SegmentationPlan plan;
  if (const Series& grid = *context.sources.front(); is_resampled(grid)) {
    plan.labels = on_source_planes(*context.label_volume, grid);
    if (context.lesion_volume) plan.lesions = on_source_planes(*context.lesion_volume, grid);
  }
  const LabelVolume& labels = plan.labels ? *plan.labels : *context.label_volume;
  const LesionVolume* lesions = plan.lesions ? &*plan.lesions : context.lesion_volume;
  std::map<std::uint8_t, std::size_t> of_label;
  std::map<std::uint16_t, std::size_t> of_lesion;
  for (const Label& label : context.labels) {
    of_label[label.value] = plan.segments.size();
    plan.segments.push_back({&label, nullptr});
  }
  for (const Lesion& lesion : context.lesions) {
    of_lesion[lesion.id] = plan.segments.size();
    plan.segments.push_back({nullptr, &lesion});
  }
  if (plan.segments.empty()) throw Error(ErrorCode::dicom_bad_value, "a segmentation needs at least one label");

  const auto planes = static_cast<std::size_t>(labels.geometry.size[2]);
  std::vector<std::vector<bool>> present(plan.segments.size(), std::vector<bool>(planes, false));
  mark_present(labels, of_label, present);
  if (lesions) mark_present(*lesions, of_lesion, present);

  const bool keep_empty = plan.segments.size() * planes <= kKeepEmptyFramesUpTo;
  plan.rank_of_plane.assign(planes, 0);
  for (std::size_t s = 0; s < plan.segments.size(); ++s) {
    const std::size_t before = plan.frames.size();
    for (std::size_t k = 0; k < planes; ++k)
      if (keep_empty || present[s][k]) plan.frames.push_back({s, static_cast<std::int64_t>(k)});
    // A segment without any frame is lost in many readers.
    if (plan.frames.size() == before) plan.frames.push_back({s, 0});
  }
  for (const PlannedFrame& frame : plan.frames) plan.rank_of_plane[static_cast<std::size_t>(frame.plane)] = 1;
  std::uint32_t rank = 0;
  for (std::uint32_t& used : plan.rank_of_plane)
    if (used) used = ++rank;
  return plan;
}

std::vector<std::uint8_t> pack_frames(const ResultContext& context, const SegmentationPlan& plan) {
  const LabelVolume& labels = plan.labels ? *plan.labels : *context.label_volume;
  const LesionVolume* lesions = plan.lesions ? &*plan.lesions : context.lesion_volume;
  const auto& size = labels.geometry.size;
  const auto plane_size = static_cast<std::size_t>(size[0] * size[1]);
  std::vector<std::uint8_t> bytes(packed_size(plan.frames.size() * plane_size), 0);
  for (std::size_t f = 0; f < plan.frames.size(); ++f) {
    const PlannedSegment& segment = plan.segments[plan.frames[f].segment];
    const std::size_t offset = static_cast<std::size_t>(plan.frames[f].plane) * plane_size;
    if (segment.label)
      set_bits(bytes, f * plane_size, labels.voxels.data() + offset, plane_size, segment.label->value);
    else
      set_bits(bytes, f * plane_size, lesions->voxels.data() + offset, plane_size, segment.lesion->id);
  }
  return bytes;
}

}  // namespace oncotome::dicom
