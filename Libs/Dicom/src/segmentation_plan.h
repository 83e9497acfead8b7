// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "oncotome/dicom/segmentation.h"

namespace oncotome::dicom {

/// A segment to be written: the voxels of one volume that have one value.
struct PlannedSegment {
  const Label* label = nullptr;    ///< Either this,
  const Lesion* lesion = nullptr;  ///< or this.
};

struct PlannedFrame {
  std::size_t segment = 0;  ///< Index into SegmentationPlan::segments.
  std::int64_t plane = 0;   ///< Index of the slice.
};

/// Which frames the SEG has, ordered by segment, then along the normal.
struct SegmentationPlan {
  std::vector<PlannedSegment> segments;
  std::vector<PlannedFrame> frames;
  std::vector<std::uint32_t> rank_of_plane;  ///< From 1 over the planes that have a frame; 0 elsewhere.
  /// Voxels on the slices of the first source, where it was resampled; else the context's are.
  std::optional<LabelVolume> labels;
  std::optional<LesionVolume> lesions;
};

/// The frames lie on the slices of the first source, whatever grid it was resampled to.
/// Throws Error{grid_mismatch, dicom_bad_value}.
SegmentationPlan plan_segmentation(const ResultContext& context);

/// PixelData of all frames of the plan.
std::vector<std::uint8_t> pack_frames(const ResultContext& context, const SegmentationPlan& plan);

}  // namespace oncotome::dicom
