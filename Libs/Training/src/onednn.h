// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "convolution.h"

namespace oncotome::training {

/// A node conv of float32 images of the CPU, which can be differentiated; the result is new, or `sum` unless that holds
/// nothing, to which it is added. The result is in runs if its channels allow it.
Features onednn_convolution(const engine::Node& node, const at::Tensor& weight, const at::Tensor& bias,
                            const Features& x, const Features& sum);

}  // namespace oncotome::training
