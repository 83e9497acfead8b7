// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ostream>

#include "oncotome/core/job.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/graph.h"

namespace oncotome::apps {

/// Adds "layers", a list, and "operations", their sum, of a network for one image of this shape. Shapes are [C,D,H,W],
/// the rest is along D,H,W.
void add_layers(const engine::Graph& graph, const engine::NodeShape& input, nlohmann::json& j);

/// Adds "effective_field" to each of these layers but dropouts: engine::effective_fields() of that graph with these
/// weights.
void add_effective_fields(const engine::Graph& graph, engine::Weights weights, const engine::NodeShape& input,
                          const Job& job, nlohmann::json& layers);

/// These layers as a table with their sums; of 2-D networks without the depth.
void print_layers(const nlohmann::json& layers, std::ostream& out);

}  // namespace oncotome::apps
