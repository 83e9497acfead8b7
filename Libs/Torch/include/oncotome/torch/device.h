// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Context.h>

#include "oncotome/core/error.h"
#include "oncotome/engine/backend.h"

namespace oncotome::torch_backend {

/// The device of LibTorch's that is meant. Throws Error{device_unavailable}.
inline at::Device device_of(engine::Device wanted) {
  const bool has_cuda = at::hasCUDA() && at::getNumGPUs() > 0;
  if (wanted == engine::Device::cuda && !has_cuda)
    throw Error(ErrorCode::device_unavailable, "no CUDA device can be used here; choose --device cpu");
  return wanted == engine::Device::cpu || !has_cuda ? at::Device(at::kCPU) : at::Device(at::kCUDA, 0);
}

}  // namespace oncotome::torch_backend
