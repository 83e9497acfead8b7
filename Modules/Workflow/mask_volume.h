// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"
#include "oncotome/dicom/masks.h"

namespace oncotome::workflow {

/// The grid of the series that a structure set was drawn on, which is looked for under `reference` (a folder or .zip),
/// or beside the file when that is empty: the one it names, else the only one in its frame of reference, which `notes`
/// tells. Throws Error{input_*, dicom_*, cancelled}.
Geometry grid_of_series(const std::string& path, const std::string& reference, std::vector<std::string>& notes,
                        const Job& job);

/// Tells of contours that are not in the voxels, and of planes that were resampled.
void note_masks(const std::vector<dicom::Mask>& masks, std::vector<std::string>& notes);

/// The segments of a SEG or the ROIs of an RT Structure Set as one volume of their numbers; where they overlap, of the
/// lowest. With `number`, that one alone as 1. A structure set is drawn on grid_of_series(). `notes` tells what is not
/// in the volume. Throws what the readers throw, and Error{usage, input_no_images, grid_mismatch}.
LabelVolume read_mask_volume(const std::string& path, const std::string& reference, std::optional<int> number,
                             std::vector<std::string>& notes, const Job& job);

}  // namespace oncotome::workflow
