// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/digest.h"
#include "oncotome/engine/session.h"

namespace oncotome::engine::nnunet {

/// The networks of a stage and of the one before it, each named "<stage>/<fold>" with the stage's name from
/// stage_name(). Adds every tensor to `digest`. Throws Error{weights_invalid, model_unsupported, backend_failed}.
std::map<std::string, std::unique_ptr<Executable>> load_networks(const NnUnetInference& inference,
                                                                 const Backend& backend, Sha256& digest);

/// As engine::segment, for an nnU-Net.
Segmentation segment(const Model& model, const NnUnetInference& inference, const std::vector<ChannelView>& channels,
                     const SegmentRequest& request, const Job& job);

}  // namespace oncotome::engine::nnunet
