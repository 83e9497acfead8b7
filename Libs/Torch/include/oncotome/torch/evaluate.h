// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "oncotome/engine/graph.h"

namespace oncotome::torch_backend {

/// One node of a graph through ATen, out of place, so that it can be differentiated. `x` are its inputs, [N,C,D,H,W],
/// or [N,C,H,W] of a network whose D is 1 everywhere; the weight has as many axes. Batch normalization takes the
/// statistics of the batch, dropout is the identity. Throws c10::Error, Error{internal} for an input.
at::Tensor evaluate(const engine::Node& node, const at::Tensor& weight, const at::Tensor& bias,
                    const std::vector<at::Tensor>& x);

/// D,H,W of a node, or H,W where a tensor has four axes.
std::vector<std::int64_t> spatial(const engine::Dhw& dhw, const at::Tensor& x);

/// A channel's value along C of x.
at::Tensor per_channel(const at::Tensor& values, const at::Tensor& x);

}  // namespace oncotome::torch_backend
