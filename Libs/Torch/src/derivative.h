// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "oncotome/engine/backend.h"

namespace oncotome::torch_backend {

/// A graph and the tensors of each of its nodes, undefined where it has none.
struct Parts {
  const engine::Graph& graph;
  const std::vector<at::Tensor>&weights, &biases;
};

/// Runs the graph with an input [N,C,D,H,W] of the tensors' device, and records what is after wanted.from. Throws
/// c10::Error, Error{cancelled}.
std::unique_ptr<engine::Derivative> differentiate(const Parts& parts, const at::Tensor& input,
                                                  const engine::Differentiation& wanted, const Job& job);

}  // namespace oncotome::torch_backend
