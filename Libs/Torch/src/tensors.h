// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "TorchCompat.h"
#include "oncotome/engine/tensor.h"

namespace oncotome::torch_backend {

/// The same memory, as LibTorch sees it; not to be changed.
inline at::Tensor view_of(const engine::Tensor& t) {
  return at::from_blob(const_cast<float*>(t.values.data()), t.shape, at::TensorOptions(at::kFloat));
}

/// A copy on the CPU.
inline engine::Tensor to_tensor(const at::Tensor& t) {
  const at::Tensor y = t.to(at::kCPU, at::kFloat).contiguous();
  engine::Tensor output;
  output.shape.assign(y.sizes().begin(), y.sizes().end());
  const float* first = floats(y);
  output.values.assign(first, first + y.numel());
  return output;
}

}  // namespace oncotome::torch_backend
