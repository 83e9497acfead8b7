// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/digest.h"
#include "oncotome/engine/session.h"

namespace oncotome::engine::nnunet {

/// The networks of a stage and of the one before it, each named "<stage>/<fold>" with the stage's name from
/// stage_name() behind `prefix`. Adds every tensor to `digest`. Throws Error{weights_invalid, model_unsupported,
/// backend_failed}.
std::map<std::string, std::unique_ptr<Executable>> load_networks(const NnUnetInference& inference,
                                                                 const Backend& backend, Sha256& digest,
                                                                 const std::string& prefix = "");

/// As engine::segment, for an nnU-Net whose networks' names begin with `prefix`.
Segmentation segment(const Model& model, const NnUnetInference& inference, const std::vector<ChannelView>& channels,
                     const SegmentRequest& request, const Job& job, const std::string& prefix = "");

}  // namespace oncotome::engine::nnunet
