// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

/// What training does between convolutions, on rows: the channels of one voxel after those of another, float32. All
/// sets give the same bits.
namespace oncotome::kernels {

struct Rows {
  std::size_t count, channels;
};

/// y = x * scale + shift + other, at least 0 with `relu`; [channels] each, of which `other` has rows or is null.
struct Normalization {
  const float *scale, *shift;
  bool relu;
};

/// One step (arXiv:1711.05101) of n values with their moments.
struct AdamW {
  float keep;          ///< What is left of a value: 1 - rate * decay.
  float beta1, beta2;  ///< Of the moments.
  float step, root;    ///< rate / (1 - beta1^t), and 1 / sqrt(1 - beta2^t).
  float epsilon;
};

struct Learning {
  const char* isa;
  /// Adds x - center and its square to sums[2][channels].
  void (*moments)(const float* x, const float* center, Rows rows, float* sums);
  void (*normalize)(const float* x, const float* other, const Normalization& how, Rows rows, float* y);
  /// Of the gradient of y, what ReLU lets through: `passed` gets it unless that is null. Adds it and its product with
  /// x - mean to sums[2][channels]. y may be null where there was no `other`.
  void (*gradient_moments)(const float* gradient, const float* x, const float* y, const Normalization& how,
                           const float* mean, Rows rows, float* passed, float* sums);
  /// The gradient of x without `other`: scale * (that - base - (x - mean) * slope).
  void (*gradient)(const float* gradient, const float* x, const Normalization& how, const float* mean,
                   const float* base, const float* slope, Rows rows, float* out);
  void (*adamw)(const AdamW& how, const float* gradient, std::size_t n, float* values, float* first, float* second);
};

/// The best set up to the instruction set `isa`, as conv_kernels() has it; null for an unknown one.
const Learning* find_learning(const char* isa);

}  // namespace oncotome::kernels
