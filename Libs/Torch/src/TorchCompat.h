// SPDX-License-Identifier: Apache-2.0
// The only file that knows of LibTorch versions (1.13.1 to 2.11).
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>
#include <torch/version.h>

#include <optional>
#include <string>

namespace oncotome::torch_backend {

#if TORCH_VERSION_MAJOR > 1
template <class T>
using Optional = std::optional<T>;
#else
template <class T>
using Optional = c10::optional<T>;
#endif

inline std::string libtorch_version() { return TORCH_VERSION; }

/// float32 means float32, and the same input gives the same output: no TF32, no search for the fastest algorithm.
inline void make_exact() {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setBenchmarkCuDNN(false);
}

/// The floats of a contiguous CPU tensor; const_data_ptr is younger than 1.13.1.
inline const float* floats(const at::Tensor& t) { return t.data_ptr<float>(); }

}  // namespace oncotome::torch_backend
