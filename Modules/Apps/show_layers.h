// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>

#include "oncotome/engine/graph.h"

namespace oncotome::apps {

/// Adds "layers", a list, and "operations", their sum, of a network for one image of this shape. Shapes are [C,D,H,W],
/// the rest is along D,H,W.
void add_layers(const engine::Graph& graph, const engine::NodeShape& input, nlohmann::json& j);

/// These layers as a table with their sums; of 2-D networks without the depth.
void print_layers(const nlohmann::json& layers, std::ostream& out);

}  // namespace oncotome::apps
