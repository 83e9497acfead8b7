// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/engine/session.h"

namespace oncotome::engine::total_segmentator {

/// Of `label` only the largest piece stays, the first of those that tie; voxels touch by faces.
void keep_largest(LabelVolume& labels, std::uint8_t label);

/// Removes the pieces of `label` that are not larger than `min_volume_mm3`; voxels touch by faces.
void remove_small(LabelVolume& labels, std::uint8_t label, double min_volume_mm3);

/// Of each label of `table`, on the image's grid; intensities are cut to whole numbers first.
std::vector<LabelStatistics> measure(const LabelVolume& labels, const float* image, const std::vector<Label>& table);

}  // namespace oncotome::engine::total_segmentator
