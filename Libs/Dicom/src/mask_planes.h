// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <optional>
#include <vector>

#include "oncotome/dicom/scan.h"
#include "sequences.h"

namespace oncotome::dicom {

/// One frame of a segmentation, and where it lies.
struct MaskFrame {
  DcmItem* own = nullptr;     ///< Its functional groups,
  DcmItem* shared = nullptr;  ///< and those of all frames; may be nothing.
  std::int64_t plane = 0;     ///< Index k of the grid.

  /// The item of a functional group macro, wherever it is, or nothing (PS3.3 section C.7.6.16).
  DcmItem* macro(const DcmTagKey& tag) const {
    DcmItem* found = first_item(*own, tag);
    return found || !shared ? found : first_item(*shared, tag);
  }
};

/// Throws Error{dicom_bad_value} when there are not so many.
std::vector<MaskFrame> frames_of(DcmItem& item, std::int64_t count);

/// Where the frames' planes lie.
struct MaskPlanes {
  Geometry grid;  ///< Of the planes.
  /// Planes that make no regular grid are those of a series that can be resampled; of `grid` only the size has a
  /// meaning.
  std::optional<Series> stack;
};

/// The planes that the frames span, and the plane of each. Frames without any position make one plane. Throws
/// Error{dicom_no_geometry, dicom_mixed_orientation, dicom_mixed_size, dicom_gantry_tilt, dicom_uneven_spacing,
/// dicom_missing_slices, dicom_bad_value, input_unsupported}.
MaskPlanes place_frames(std::vector<MaskFrame>& frames, std::int64_t rows, std::int64_t columns);

}  // namespace oncotome::dicom
