// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"

namespace oncotome::workflow {

/// The segments of a SEG or the ROIs of an RT Structure Set as one volume of their numbers; where they overlap, of the
/// lowest. With `number`, that one alone as 1. A structure set is drawn on the grid of its series, which is looked for
/// under `reference`, or beside the file when that is empty. `notes` tells what is not in the volume. Throws what the
/// readers throw, and Error{usage, input_no_images, grid_mismatch}.
LabelVolume read_mask_volume(const std::string& path, const std::string& reference, std::optional<int> number,
                             std::vector<std::string>& notes, const Job& job);

}  // namespace oncotome::workflow
