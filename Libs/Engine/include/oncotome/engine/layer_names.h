// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/engine/graph.h"

namespace oncotome::engine {

/// A name for every node, each its own: that of its weight, without ".weight"; of others, that of the layer they follow
/// and what they do, such as "layer4.1.bn2.relu". A mean over cells is "avgpool", as torchvision has it.
std::vector<std::string> layer_names(const Graph& graph);

/// The node of a name, or the last one of a module such as "layer4". Throws Error{usage} that lists the modules.
int find_layer(const std::vector<std::string>& names, const std::string& wanted);

/// The last node before a classification head: of what `logits` is computed from, the last with more than one voxel
/// that is no mean over cells.
int layer_before_head(const Graph& graph, const NodeShape& input, int logits);

}  // namespace oncotome::engine
