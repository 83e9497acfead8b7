// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "TorchCompat.h"

namespace oncotome::torch_backend {

/// A convolution of [N,C,D,H,W] with a weight [Cout,Cin,kD,kH,kW], transposed [Cin,Cout,kD,kH,kW]; triples are D,H,W.
struct Convolution {
  at::IntArrayRef stride, padding, dilation;
  bool transposed = false;
  at::IntArrayRef output_padding{};
};

/// The shape of its output; throws c10::Error that says what does not fit.
std::vector<std::int64_t> output_shape(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                       const Convolution& how);

/// Instance normalization with weights per channel (undefined: 1, 0), then LeakyReLU.
struct NormAct {
  at::Tensor weight, bias;
  double epsilon = 1e-5, slope = 0.01;
};

/// By this project's kernels, and then `after`; undefined where no kernel but the reference takes these tensors.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Convolution& how,
                    const NormAct* after = nullptr);

}  // namespace oncotome::torch_backend
