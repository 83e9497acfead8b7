// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "TorchCompat.h"

namespace oncotome::torch_backend {

using JitNode = torch::jit::Node;

/// Thrown where a module is no graph of this project's; `what` names the operation.
struct Obstacle {
  std::string what;
};

/// Such as "aten::conv3d".
std::string name_of(const JitNode& node);

/// Throws an Obstacle of the node unless it is met.
void require(const JitNode& node, bool met, const char* what);

/// Makes a frozen module's method one of values alone: nothing is changed in place, loops of known length are unrolled,
/// branches on numbers of axes decided. `is_known` says whether an operation has a node of this project's; all of these
/// have as many axes as the weight of the first convolution. Throws Obstacle.
void simplify_script(std::shared_ptr<torch::jit::Graph> graph, const std::function<bool(const JitNode&)>& is_known);

}  // namespace oncotome::torch_backend
