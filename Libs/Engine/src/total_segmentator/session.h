// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/digest.h"
#include "oncotome/engine/session.h"

namespace oncotome::engine::total_segmentator {

/// The networks of every part, and of what finds the part of the image; names begin with `prefix`. Adds their tensors
/// to `digest`. Throws what nnunet::load_networks throws.
std::map<std::string, std::unique_ptr<Executable>> load_networks(const TotalSegmentatorInference& inference,
                                                                 const Backend& backend, Sha256& digest,
                                                                 const std::string& prefix = "");

/// As engine::segment, for a task of TotalSegmentator.
Segmentation segment(const Model& model, const TotalSegmentatorInference& inference,
                     const std::vector<ChannelView>& channels, const SegmentRequest& request, const Job& job);

}  // namespace oncotome::engine::total_segmentator
