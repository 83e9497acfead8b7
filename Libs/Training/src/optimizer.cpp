// SPDX-License-Identifier: Apache-2.0
#include "optimizer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "loops.h"

namespace oncotome::training {

using at::Tensor;

double schedule(const ScheduleConfig& how, double epoch, double epochs) {
  if (epoch < how.warmup_epochs) return epoch / how.warmup_epochs;
  const double since = epoch - how.warmup_epochs, whole = std::max(1e-9, epochs - how.warmup_epochs);
  switch (how.kind) {
    case ScheduleConfig::Kind::constant:
      return 1;
    case ScheduleConfig::Kind::step:
      return std::pow(how.factor, std::floor(since / how.step_epochs));
    case ScheduleConfig::Kind::cosine:
      break;
  }
  constexpr double kPi = 3.141592653589793;
  return how.floor + (1 - how.floor) * (1 + std::cos(kPi * std::min(1.0, since / whole))) / 2;
}

Optimizer::Optimizer(const OptimizerConfig& config, const Tensors& parameters)
    : config_(config), parameters_(parameters) {
  for (const auto& [name, value] : parameters_) {
    first_[name] = at::zeros_like(value.detach());
    if (config_.adamw) second_[name] = at::zeros_like(value.detach());
  }
}

double Optimizer::clip() const {
  std::vector<Tensor> norms;
  for (const auto& [name, value] : parameters_)
    if (value.grad().defined()) norms.push_back(value.grad().norm().to(at::kDouble));
  const double norm = norms.empty() ? 0 : at::stack(norms).norm().item<double>();
  const double factor = config_.clip_norm / (norm + 1e-6);
  if (config_.clip_norm > 0 && factor < 1)
    for (const auto& [name, value] : parameters_)
      if (value.grad().defined()) value.grad().mul_(factor);
  return norm;
}

double Optimizer::step(double learning_rate) {
  const at::NoGradGuard guard;
  const double norm = clip();
  ++steps;
  for (const auto& [name, value] : parameters_) {
    if (!value.grad().defined()) continue;
    if (config_.adamw)
      adamw(name, value, value.grad(), learning_rate);
    else
      sgd(name, value, value.grad(), learning_rate);
    Tensor(value).mutable_grad() = Tensor();
  }
  return norm;
}

void Optimizer::adamw(const std::string& name, const Tensor& parameter, const Tensor& gradient, double rate) {
  const auto [beta1, beta2] = config_.betas;
  const auto t = static_cast<double>(steps);
  const auto single = [](double value) { return static_cast<float>(value); };
  const kernels::AdamW how{single(1 - rate * config_.weight_decay),
                           single(beta1),
                           single(beta2),
                           single(rate / (1 - std::pow(beta1, t))),
                           single(1 / std::sqrt(1 - std::pow(beta2, t))),
                           single(config_.epsilon)};
  const Tensor &first = first_.at(name), &second = second_.at(name);
  if (!has_loops(parameter)) {
    parameter.mul_(1 - rate * config_.weight_decay);
    first.lerp_(gradient, 1 - beta1);
    second.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
    const Tensor root = (second.sqrt() / std::sqrt(1 - std::pow(beta2, t))).add_(config_.epsilon);
    parameter.addcdiv_(first, root, -rate / (1 - std::pow(beta1, t)));
    return;
  }
  const Tensor g = gradient.strides() == parameter.strides() ? gradient : at::empty_like(parameter).copy_(gradient);
  at::parallel_for(0, parameter.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    const auto from = [&](const Tensor& values) { return values.data_ptr<float>() + begin; };
    loops().adamw(how, from(g), static_cast<std::size_t>(end - begin), from(parameter), from(first), from(second));
  });
}

void Optimizer::sgd(const std::string& name, const Tensor& parameter, const Tensor& gradient, double rate) {
  Tensor& momentum = first_.at(name);
  const Tensor whole = config_.weight_decay > 0 ? gradient.add(parameter, config_.weight_decay) : gradient;
  momentum.mul_(config_.momentum).add_(whole);
  parameter.add_(momentum, -rate);
}

}  // namespace oncotome::training
