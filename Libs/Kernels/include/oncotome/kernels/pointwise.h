// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/kernels/convolution.h"

/// What networks do between convolutions, on blocked activations (see convolution.h). Sources are those of one block:
/// data, scale, shift and slopes point at it. All sets give the same bits, but for exp and erf.
namespace oncotome::kernels {

/// A window over D,H,W; maximum or mean.
struct PoolShape {
  bool maximum = false;  ///< Of the voxels that there are; a mean counts padding as zeros.
  int kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, pad[3] = {};
  int in[3] = {}, out[3] = {};
};

struct Pointwise {
  const char* isa;
  /// output = activation(a + b) for n voxels; b.data may be null, `output` may be one of the sources or null.
  /// statistics: null, or [2][kBlock] for the sum and the sum of squares before the activation.
  void (*combine)(const Source& a, const Source& b, Element element, Activation activation, float slope, void* output,
                  double* statistics, std::size_t n);
  /// From one row of n float32 per channel, zeros for null, to a block; and back, but for null.
  void (*block)(const float* const planes[kBlock], Element element, void* output, std::size_t n);
  void (*unblock)(const Source& source, Element element, float* const planes[kBlock], std::size_t n);
  /// One slice z of the output, whose first voxel `output` is.
  void (*pool)(const Source& source, Element element, const PoolShape& shape, int z, void* output);
  /// The same of out = in * factor, trilinear between voxel centers (align_corners false).
  void (*upsample)(const Source& source, Element element, const int in[3], const int factor[3], int z, void* output);
  /// Over `channels` rows that lie `stride` apart, for n columns; `output` may be `in`.
  void (*softmax)(const float* in, float* output, std::size_t stride, int channels, std::size_t n);
};

/// The best set up to the instruction set `isa`, as conv_kernels() has it; null for an unknown one.
const Pointwise* find_pointwise(const char* isa);

}  // namespace oncotome::kernels
