// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <string>

#include "oncotome/core/job.h"
#include "oncotome/engine/graph.h"

namespace oncotome::engine {

/// Along D,H,W, in voxels.
using FieldExtent = std::array<double, 3>;

/// Effective receptive fields (arXiv:1701.04128) of the nodes of an inference_graph(), by layer_names(); loads
/// LibTorch. What is measured is the absolute derivative of a node's middle voxel, its channels summed, by each value
/// of the input; it is summed over channels and over images of noise, N(0,1). Along an axis the field is as wide as the
/// part that is left when 2.275 % of this are cut off at either end, a voxel's share being spread evenly over it: four
/// standard deviations, where it is Gaussian. What normalizations take from the whole image counts as constant. 0 where
/// nothing depends on the input. Throws Error{model_invalid, weights_invalid, backend_failed, out_of_memory,
/// cancelled}.
std::map<std::string, FieldExtent> effective_fields(const Graph& graph, const Weights& weights, const NodeShape& input,
                                                    int threads, const Job& job);

}  // namespace oncotome::engine
