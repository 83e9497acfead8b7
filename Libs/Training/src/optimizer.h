// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config.h"
#include "network.h"

namespace oncotome::training {

/// The learning rate's factor at a time in epochs, such as 2.5: it grows evenly through the warm-up, then keeps its
/// value, follows half a cosine to `floor` at the end (arXiv:1608.03983), or is multiplied at every step.
double schedule(const ScheduleConfig& how, double epoch, double epochs);

/// AdamW (arXiv:1711.05101) or SGD with momentum and weight decay, step by step as torch.optim computes them.
class Optimizer {
 public:
  /// `parameters` are changed in place by step().
  Optimizer(const OptimizerConfig& config, const Tensors& parameters);

  /// By the parameters' gradients, which are taken away. Returns their norm before it is clipped.
  double step(double learning_rate);

  /// First moments (SGD: momentum) and second ones, shaped like the parameters; and how many steps there were.
  Tensors& first() { return first_; }
  Tensors& second() { return second_; }
  std::int64_t steps = 0;

 private:
  double clip() const;
  void adamw(const std::string& name, const at::Tensor& parameter, const at::Tensor& gradient, double rate);
  void sgd(const std::string& name, const at::Tensor& parameter, const at::Tensor& gradient, double rate);

  const OptimizerConfig config_;
  const Tensors& parameters_;
  Tensors first_, second_;
};

}  // namespace oncotome::training
