// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "convolution.h"

namespace oncotome::training {

/// The parameters and moving statistics of a batch normalization, [C] each.
struct BatchNorm {
  at::Tensor weight, bias, running_mean, running_var;
  double epsilon = 1e-5;
};

/// Features normalized by the statistics of the batch, `other` added unless it holds nothing, and at least 0 with
/// `relu`; can be differentiated. In two passes over memory of float32 of the CPU, operation by operation of others.
/// The moving statistics go a tenth of the way.
Features normalized(const BatchNorm& norm, const Features& x, const Features& other, bool relu);

/// The same by the moving statistics, which stay.
Features normalized_as_moving(const BatchNorm& norm, const Features& x, const Features& other, bool relu);

}  // namespace oncotome::training
