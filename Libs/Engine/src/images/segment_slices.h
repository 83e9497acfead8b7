// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/engine/session.h"

namespace oncotome::engine {

/// Labels of a volume by a package for images: of a 2-D network slice by slice. What the gate refuses has no labels,
/// and is doubted. Throws Error{usage} for a package without labels, Error{grid_mismatch} where channels lie on
/// different grids, and as run_images().
Segmentation segment_slices(const Model& model, const std::vector<ChannelView>& channels, const SegmentRequest& request,
                            const Job& job);

}  // namespace oncotome::engine
