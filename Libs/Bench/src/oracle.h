// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "oncotome/bench/bench.h"
#include "oncotome/kernels/convolution.h"

namespace oncotome::bench {

/// The input's voxel that tap `tap` of the output's voxel `out` reads, or -1.
std::int64_t input_voxel(const kernels::ConvShape& shape, const int out[3], const int tap[3]);

/// What a convolution should give at some voxels, in float64.
struct Samples {
  std::vector<std::int64_t> voxels;  ///< Of the output; corners among them.
  std::vector<double> values;        ///< [voxels][channels]
};
Samples sample_convolution(const kernels::ConvShape& shape, const Task& task);

/// What a network should give: every sum in float64, rounded at the end. Minutes for one of 1000 giga operations.
engine::Tensor exact_output(const Task& task);

/// How many times more rounding changes a network's output than it does that of trained ones, for random weights tell
/// little of what comes in: the error of every weight and value rounded to bfloat16 by 2e-2; 1 where it is less.
double condition(const Task& task, const engine::Tensor& exact);

/// The difference's L2 norm by the expected one's: of the samples, or of whole tensors. NaN where a value is.
double relative_error(const Samples& expected, const engine::Tensor& output);
double relative_error(const engine::Tensor& expected, const engine::Tensor& output);

/// The greatest relative error with which a result of `dtype` counts, of a network whose condition is 1.
double error_bound(const std::string& dtype, bool network);

}  // namespace oncotome::bench
