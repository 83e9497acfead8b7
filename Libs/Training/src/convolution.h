// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "oncotome/engine/graph.h"

namespace oncotome::training {

/// How many channels one run of Features has.
constexpr std::int64_t kRunOfChannels = 16;

/// Images [N,C,H,W] or [N,C,D,H,W] whose channels lie innermost. Where C is a multiple of 16, runs of so many are
/// images of their own, [N * runs, 16, (D,) H, W]: so oneDNN computes fastest, and what treats channels alike sees no
/// difference.
struct Features {
  at::Tensor t;
  std::int64_t runs = 1;

  std::int64_t count() const { return t.size(0) / runs; }
  std::int64_t channels() const { return t.size(1) * runs; }
};

/// In runs if it is float32 of the CPU and its channels allow it, and back. Both can be differentiated, and copy
/// nothing where C is 16.
Features in_runs(const at::Tensor& t);
at::Tensor whole(const Features& features);

/// A node conv of the concatenation of several images, or conv_transpose of one; can be differentiated. By oneDNN,
/// whose Winograd algorithm (arXiv:1509.09308) LibTorch leaves alone, where this is built with it and the images are of
/// the CPU. `mixed`: of inputs, weights and result in bfloat16.
Features convolution(const engine::Node& node, const at::Tensor& weight, const at::Tensor& bias,
                     const std::vector<Features>& in, bool mixed = false);

}  // namespace oncotome::training
