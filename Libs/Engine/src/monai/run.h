// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/engine/session.h"

namespace oncotome::engine::monai {

/// Where windows begin along an axis: every (1 - overlap) of the window, the last one moved back to the end.
std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window, double overlap);

/// Weights of a window's voxels [x,y,z].
Tensor importance(const Window& window, const Dhw& roi);

/// Labels on the reference channel's grid, as the bundle's own inference makes them. Throws Error{usage,
/// precondition_unmet, weights_invalid, result_not_finite, cancelled, backend_failed, out_of_memory}.
Segmentation run(const Executable& network, const ModelPackage& package, const std::vector<ChannelView>& channels,
                 const SegmentRequest& request, const Job& job);

}  // namespace oncotome::engine::monai
