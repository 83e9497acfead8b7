// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/core/lesion.h"
#include "oncotome/core/volume.h"
#include "oncotome/dicom/scan.h"

namespace oncotome::dicom {

/// One segment of a SEG, or one ROI of an RT Structure Set.
struct Mask {
  int number = 0;      ///< SegmentNumber or ROINumber.
  std::string name;    ///< SegmentLabel or ROIName.
  Code type;           ///< Segmented property type; empty for an ROI.
  LabelVolume voxels;  ///< 1 inside. All masks of an object lie on one grid.
  int on_grid = 0;     ///< Closed contours of an ROI that are in the voxels,
  int off_grid = 0;    ///< and those that are not: they lie between the planes of the grid, or beyond it.
  std::string note;    ///< What was done where the frames of a segment make no regular grid; else empty.
};

/// What a file is, as far as masks go.
enum class MaskKind { none, segmentation, structure_set };
MaskKind mask_kind(const std::string& path);

/// Segments of a BINARY, FRACTIONAL (inside: at least half of MaximumFractionalValue) or LABELMAP Segmentation
/// (PS3.3 A.51), on the regular grid that its planes span; planes without a frame are empty. Slanted or uneven planes
/// are resampled to a regular grid as load_volume() does it. Frames without a position (of a 2-D image) make one plane.
/// With `only`, that segment alone. Throws Error{input_unreadable, input_unsupported, dicom_*, out_of_memory,
/// cancelled}.
std::vector<Mask> read_segmentation(const std::string& path, const Job& job, std::optional<int> only = {});

/// ROIs of an RT Structure Set (PS3.3 A.19) rasterized on `grid`: a voxel is inside when its center is, by the even-odd
/// rule over all closed contours of its slice; a contour lies on a slice within a quarter of the slices' distance. With
/// `only`, that ROI alone. Throws Error{input_unreadable, input_unsupported, grid_mismatch when no contour lies on the
/// grid, dicom_*, out_of_memory, cancelled}.
std::vector<Mask> read_structure_set(const std::string& path, const Geometry& grid, const Job& job,
                                     std::optional<int> only = {});

/// What a structure set or segmentation was drawn on.
struct MaskReferences {
  std::vector<std::string> series_uids;              ///< Of the series that it refers to.
  std::vector<std::string> frame_of_reference_uids;  ///< In which it lies.
};

/// Throws Error{input_unreadable, dicom_syntax_unsupported}.
MaskReferences mask_references(const std::string& path);

}  // namespace oncotome::dicom
