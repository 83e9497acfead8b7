// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "convolution.h"

namespace oncotome::training {

/// The parameters and moving statistics of a batch normalization, [C] each.
struct BatchNorm {
  at::Tensor weight, bias, running_mean, running_var;
  double epsilon = 1e-5;
};

/// Float32 features of the CPU, normalized by the statistics of the batch, `other` added unless it holds nothing, and
/// at least 0 with `relu`, in two passes over memory; can be differentiated. The moving statistics go a tenth of the
/// way.
Features normalized(const BatchNorm& norm, const Features& x, const Features& other, bool relu);

/// The same by the moving statistics, which stay.
Features normalized_as_moving(const BatchNorm& norm, const Features& x, const Features& other, bool relu);

}  // namespace oncotome::training
