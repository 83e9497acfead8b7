// SPDX-License-Identifier: Apache-2.0
#pragma once

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
};

/// What a file is, as far as masks go.
enum class MaskKind { none, segmentation, structure_set };
MaskKind mask_kind(const std::string& path);

/// Segments of a BINARY, FRACTIONAL (inside: at least half of MaximumFractionalValue) or LABELMAP Segmentation
/// (PS3.3 A.51), on the regular grid that its planes span; planes without a frame are empty. Bits are unpacked here.
/// Throws Error{input_unreadable, input_unsupported, dicom_*}.
std::vector<Mask> read_segmentation(const std::string& path, const Job& job);

/// ROIs of an RT Structure Set (PS3.3 A.19) rasterized on `grid`: a voxel is inside when its center is, by the even-odd
/// rule over all CLOSED_PLANAR contours of its slice. Throws Error{input_unreadable, input_unsupported, grid_mismatch,
/// dicom_*}.
std::vector<Mask> read_structure_set(const std::string& path, const Geometry& grid, const Job& job);

/// SeriesInstanceUIDs that the structure set or segmentation refers to.
std::vector<std::string> referenced_series(const std::string& path);

}  // namespace oncotome::dicom
