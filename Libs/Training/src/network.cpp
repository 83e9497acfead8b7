// SPDX-License-Identifier: Apache-2.0
#include "network.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "oncotome/core/axes.h"
#include "oncotome/core/error.h"
#include "oncotome/torch/evaluate.h"

namespace oncotome::training {

using at::Tensor;
using engine::Node;
using engine::Op;

namespace {

std::string sibling(const std::string& weight, const char* leaf) {
  return weight.substr(0, weight.size() - std::string("weight").size()) + leaf;
}

// A value that whoever made it does not need again, so that the activation may overwrite it.
bool may_be_overwritten(Op op) { return op == Op::conv || op == Op::batch_norm || op == Op::add; }

Tensor dropped(const Tensor& x, double probability, std::uint64_t seed) {
  if (probability <= 0) return x;
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return x * at::empty_like(x).bernoulli_(1 - probability, generator).div_(1 - probability);
}

}  // namespace

Network::Network(engine::Graph graph, const engine::Weights& weights, int dimensions,
                 const std::vector<std::string>& frozen)
    : graph_(std::move(graph)), plane_(dimensions == 2), frozen_(frozen), uses_(graph_.nodes.size(), 0) {
  const auto take = [&](const std::string& name, bool learns) {
    if (name.empty() || values_.count(name) > 0) return;
    const auto found = weights.find(name);
    if (found == weights.end()) throw Error(ErrorCode::weights_invalid, "the weights lack '" + name + "'");
    shapes_[name] = found->second.shape;
    Tensor value = imported(name, found->second);
    if (learns && !is_frozen(name)) {
      value.set_requires_grad(true);
      parameters_[name] = value;
    }
    values_[name] = value;
  };
  for (const Node& node : graph_.nodes) {
    for (const int input : node.inputs) ++uses_[static_cast<std::size_t>(input)];
    take(node.weight, true);
    take(node.bias, true);
    if (node.op == Op::batch_norm && node.stored)
      for (const char* leaf : {"running_mean", "running_var"}) take(sibling(node.weight, leaf), false);
  }
  for (const int output : graph_.output_nodes()) ++uses_[static_cast<std::size_t>(output)];
}

bool Network::is_frozen(const std::string& name) const {
  return std::any_of(frozen_.begin(), frozen_.end(), [&](const std::string& f) { return name.rfind(f, 0) == 0; });
}

Tensor Network::imported(const std::string& name, const engine::Tensor& t) const {
  if (t.shape != shapes_.at(name))
    throw Error(ErrorCode::weights_invalid, "'" + name + "' does not have the shape that the network needs");
  Tensor value = at::empty(t.shape, at::kFloat);
  std::copy(t.values.begin(), t.values.end(), value.data_ptr<float>());
  if (!plane_ || value.dim() != 5) return value;
  return value.squeeze(axes::D).contiguous(at::MemoryFormat::ChannelsLast);
}

engine::Tensor Network::exported(const std::string& name, const Tensor& t) const {
  engine::Tensor out(shapes_.at(name));
  const Tensor plain = t.detach().contiguous();
  std::copy_n(plain.data_ptr<float>(), out.values.size(), out.values.begin());
  return out;
}

Tensor Network::find(const std::string& name) const { return name.empty() ? Tensor() : values_.at(name); }

Tensor Network::normalized(const Node& node, const Tensor& x, bool training) const {
  return at::batch_norm(x, find(node.weight), find(node.bias), find(sibling(node.weight, "running_mean")),
                        find(sibling(node.weight, "running_var")), training && !is_frozen(node.weight),
                        /*momentum=*/0.1, node.epsilon, /*cudnn_enabled=*/false);
}

Tensor Network::evaluate(std::size_t index, const std::vector<Tensor>& inputs, std::optional<std::uint64_t> seed) {
  const Node& node = graph_.nodes[index];
  if (node.op == Op::batch_norm && node.stored) return normalized(node, inputs[0], seed.has_value());
  if (node.op == Op::dropout && seed) return dropped(inputs[0], node.probability, *seed + index);
  if (node.op == Op::relu) {
    const auto from = static_cast<std::size_t>(node.inputs[0]);
    Tensor x = inputs[0];
    if (uses_[from] == 1 && may_be_overwritten(graph_.nodes[from].op)) return at::relu_(x);
  }
  return torch_backend::evaluate(node, find(node.weight), find(node.bias), inputs);
}

std::vector<Tensor> Network::forward(const Tensor& input, std::optional<std::uint64_t> training_seed) {
  const at::AutoGradMode recorded(training_seed.has_value());
  std::vector<Tensor> values(graph_.nodes.size());
  std::vector<int> left = uses_;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Node& node = graph_.nodes[i];
    if (node.op == Op::input) {
      values[i] = plane_ ? input.squeeze(axes::D).contiguous(at::MemoryFormat::ChannelsLast) : input;
      continue;
    }
    std::vector<Tensor> inputs;
    for (const int n : node.inputs) {
      const auto from = static_cast<std::size_t>(n);
      inputs.push_back(values[from]);
      if (--left[from] == 0) values[from].reset();
    }
    values[i] = evaluate(i, inputs, training_seed);
  }
  std::vector<Tensor> outputs;
  for (const int output : graph_.output_nodes()) outputs.push_back(values[static_cast<std::size_t>(output)]);
  return outputs;
}

void copy_into(const Tensors& from, const Tensors& to) {
  const at::NoGradGuard guard;
  for (const auto& [name, value] : from) Tensor(to.at(name)).copy_(value);
}

}  // namespace oncotome::training
