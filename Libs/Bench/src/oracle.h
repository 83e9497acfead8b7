// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "oncotome/bench/bench.h"
#include "oncotome/kernels/convolution.h"

namespace oncotome::bench {

/// What a convolution should give at some voxels, in float64.
struct Samples {
  std::vector<std::int64_t> voxels;  ///< Of the output; corners among them.
  std::vector<double> values;        ///< [voxels][channels]
};
Samples sample_convolution(const kernels::ConvShape& shape, const Task& task);

/// The difference's L2 norm by the expected one's: of the samples, or of whole tensors. NaN where a value is.
double relative_error(const Samples& expected, const engine::Tensor& output);
double relative_error(const engine::Tensor& expected, const engine::Tensor& output);

/// The greatest relative error with which a result of `dtype` counts.
double error_bound(const std::string& dtype, bool network);

}  // namespace oncotome::bench
