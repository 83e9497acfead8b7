// SPDX-License-Identifier: Apache-2.0
#include "derivative.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>

#include "oncotome/core/axes.h"
#include "oncotome/torch/errors.h"
#include "oncotome/torch/evaluate.h"
#include "tensors.h"

namespace oncotome::torch_backend {
namespace {

using engine::Node;
using engine::Op;

bool normalizes(const Node& node) {
  return node.op == Op::instance_norm || node.op == Op::batch_norm || node.op == Op::group_norm;
}

// As evaluate() normalizes, by a mean and a variance that are not differentiated.
at::Tensor normalized(const Node& node, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x) {
  const std::int64_t N = x.size(axes::N), C = x.size(axes::C);
  const std::int64_t groups = node.op == Op::group_norm ? node.groups : C;
  const at::Tensor fixed = x.detach();
  const bool of_batch = node.op == Op::batch_norm;
  const at::Tensor rows = of_batch ? fixed.transpose(0, 1).reshape({1, C, -1}) : fixed.reshape({N, groups, -1});
  const auto [variance, mean] = at::var_mean(rows, {2}, /*unbiased=*/false, /*keepdim=*/true);
  const auto of_channels = [&](const at::Tensor& t) {
    return t.repeat_interleave(C / t.size(1), 1).view({t.size(0), C, 1, 1, 1});
  };
  const at::Tensor y = (x - of_channels(mean)) * of_channels((variance + node.epsilon).rsqrt());
  return weight.defined() ? at::addcmul(per_channel(bias, x), y, per_channel(weight, x)) : y;
}

class TorchDerivative : public engine::Derivative {
 public:
  TorchDerivative(std::map<int, at::Tensor> values, int from) : values_(std::move(values)), from_(from) {}

  engine::Tensor value(int node) const override { return to_tensor(values_.at(node).detach()); }

  engine::Tensor gradient(int node, const engine::Tensor& weights) const override {
    return translated([&] {
      const at::Tensor &y = values_.at(node), &x = values_.at(from_);
      if (!y.requires_grad()) return to_tensor(at::zeros_like(x.detach()));
      const at::AutoGradMode recorded(true);
      const at::Tensor seed = view_of(weights).to(y.device());
      return to_tensor(torch::autograd::grad({y}, {x}, {seed}, /*retain_graph=*/true)[0]);
    });
  }

 private:
  const std::map<int, at::Tensor> values_;
  const int from_;
};

}  // namespace

std::unique_ptr<engine::Derivative> differentiate(const Parts& parts, const at::Tensor& input,
                                                  const engine::Differentiation& wanted, const Job& job) {
  const at::AutoGradMode recorded(true);
  const std::vector<Node>& nodes = parts.graph.nodes;
  std::vector<int> uses(nodes.size(), 0);
  for (const Node& node : nodes)
    for (const int n : node.inputs) ++uses[static_cast<std::size_t>(n)];
  std::vector<at::Tensor> values(nodes.size());
  std::map<int, at::Tensor> kept;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    job.check();
    const Node& node = nodes[i];
    std::vector<at::Tensor> inputs;
    for (const int n : node.inputs) {
      const auto from = static_cast<std::size_t>(n);
      inputs.push_back(values[from]);
      if (--uses[from] == 0) values[from].reset();
    }
    if (node.op == Op::input)
      values[i] = input;
    else if (wanted.holds_statistics && normalizes(node))
      values[i] = normalized(node, parts.weights[i], parts.biases[i], inputs[0]);
    else
      values[i] = evaluate(node, parts.weights[i], parts.biases[i], inputs);
    const int index = static_cast<int>(i);
    if (index == wanted.from) values[i] = values[i].detach().requires_grad_();
    if (index == wanted.from || std::count(wanted.of.begin(), wanted.of.end(), index) > 0) kept[index] = values[i];
  }
  return std::make_unique<TorchDerivative>(std::move(kept), wanted.from);
}

}  // namespace oncotome::torch_backend
