// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/dicom/segmentation.h"

namespace oncotome::dicom {

/// A segment to be written: the voxels of one volume that have one value.
struct PlannedSegment {
  const Label* label = nullptr;  ///< One of these.
  const LabelUnion* label_union = nullptr;
  const Lesion* lesion = nullptr;

  std::string name() const;
  std::array<std::uint8_t, 3> color() const;
};

struct PlannedFrame {
  std::size_t segment = 0;  ///< Index into SegmentationPlan::segments.
  std::int64_t plane = 0;   ///< Index of the slice.
};

/// Which frames the SEG has, ordered by segment, then along the normal.
struct SegmentationPlan {
  std::vector<PlannedSegment> segments;
  std::vector<PlannedFrame> frames;
  std::vector<std::vector<bool>> present;    ///< [segment][plane]: has a voxel there.
  std::vector<std::uint32_t> rank_of_plane;  ///< From 1 over the planes that have a frame; 0 elsewhere.
  /// Voxels on the slices of the first source, where it was resampled; else the context's are.
  std::optional<LabelVolume> labels;
  std::optional<LesionVolume> lesions;
};

/// The frames lie on the slices of the first source, whatever grid it was resampled to.
/// Throws Error{grid_mismatch, dicom_bad_value}.
SegmentationPlan plan_segmentation(const ResultContext& context);

/// Sets rank_of_plane from the frames.
void rank_planes(SegmentationPlan& plan, std::size_t planes);

/// 1 where the segment is, 0 elsewhere, on one slice.
void fill_mask(const ResultContext& context, const SegmentationPlan& plan, const PlannedSegment& segment,
               std::size_t plane, std::vector<std::uint8_t>& pixels);

/// What the names of the objects are made from: inputs, parameters and voxels, so that the same name never means
/// others.
std::string seed_of(const ResultContext& context);

/// Its UID, or one that it shares with nothing where it has none.
std::string frame_of_reference_of(const Series& series);

/// PixelData of all frames of the plan.
std::vector<std::uint8_t> pack_frames(const ResultContext& context, const SegmentationPlan& plan);
/// Frames of probabilities, one segment each, and their PixelData. Throws Error{grid_mismatch, dicom_bad_value}.
SegmentationPlan plan_probabilities(const ResultContext& context, const std::vector<FractionalSegment>& segments,
                                    std::vector<std::uint8_t>& bytes);
/// The same of a label map, whose frames are planes.
std::vector<std::uint8_t> label_frames(const ResultContext& context, const SegmentationPlan& plan);

}  // namespace oncotome::dicom
