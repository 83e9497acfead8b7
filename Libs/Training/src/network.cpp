// SPDX-License-Identifier: Apache-2.0
#include "network.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <utility>

#include "normalization.h"
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
bool may_be_overwritten(Op op) { return op == Op::conv || op == Op::add; }

// Runs of channels then go as images of their own.
bool treats_channels_alike(Op op) {
  return op == Op::relu || op == Op::leaky_relu || op == Op::elu || op == Op::gelu || op == Op::avg_pool ||
         op == Op::max_pool || op == Op::adaptive_avg_pool || op == Op::upsample || op == Op::dropout;
}

Tensor dropped(const Tensor& x, double probability, std::uint64_t seed) {
  if (probability <= 0) return x;
  // The same drops on every device.
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const Tensor kept = at::empty_like(x, x.options().device(at::kCPU).dtype(at::kFloat));
  return x * kept.bernoulli_(1 - probability, generator).div_(1 - probability).to(x.options());
}

}  // namespace

Network::Network(engine::Graph graph, const engine::Weights& weights, int dimensions,
                 const std::vector<std::string>& frozen, const Compute& compute)
    : graph_(std::move(graph)),
      plane_(dimensions == 2),
      layout_(plane_ ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::ChannelsLast3d),
      compute_(compute),
      frozen_(frozen),
      joined_(graph_.nodes.size()),
      uses_(graph_.nodes.size(), 0) {
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
  join();
}

bool Network::joins(int node, Op op) const {
  const auto at = static_cast<std::size_t>(node);
  return graph_.nodes[at].op == op && uses_[at] == 1 && (op != Op::batch_norm || graph_.nodes[at].stored);
}

void Network::join() {
  for (std::size_t i = 0; i < joined_.size(); ++i) {
    joined_[i].inputs = graph_.nodes[i].inputs;
    if (graph_.nodes[i].op == Op::conv && joins(graph_.nodes[i].inputs[0], Op::concat)) {
      Joined& concat = joined_[static_cast<std::size_t>(graph_.nodes[i].inputs[0])];
      joined_[i].inputs = std::exchange(concat.inputs, {});
      concat.elsewhere = true;
    }
    if (graph_.nodes[i].op != Op::relu) continue;
    const int before = graph_.nodes[i].inputs[0];
    Joined& with = joined_[static_cast<std::size_t>(before)];
    if (joins(before, Op::add)) {
      const std::vector<int>& terms = graph_.nodes[static_cast<std::size_t>(before)].inputs;
      const auto norm = std::find_if(terms.begin(), terms.end(), [&](int n) { return joins(n, Op::batch_norm); });
      if (norm == terms.end()) continue;
      with.norm = *norm;
      joined_[static_cast<std::size_t>(*norm)].elsewhere = true;
    } else if (!joins(before, Op::batch_norm)) {
      continue;
    }
    with.relu = joined_[i].elsewhere = true;
  }
}

bool Network::is_frozen(const std::string& name) const {
  return std::any_of(frozen_.begin(), frozen_.end(), [&](const std::string& f) { return name.rfind(f, 0) == 0; });
}

Tensor Network::imported(const std::string& name, const engine::Tensor& t) const {
  if (t.shape != shapes_.at(name))
    throw Error(ErrorCode::weights_invalid, "'" + name + "' does not have the shape that the network needs");
  Tensor value = at::empty(t.shape, at::kFloat);
  std::copy(t.values.begin(), t.values.end(), value.data_ptr<float>());
  value = value.to(compute_.device);
  return value.dim() == 5 ? laid_out(value) : value;
}

// Of one channel, contiguous() would leave strides that say nothing of the layout.
Tensor Network::laid_out(const Tensor& t) const {
  const Tensor from = plane_ ? t.squeeze(axes::D) : t;
  return at::empty(from.sizes(), from.options().memory_format(layout_)).copy_(from);
}

engine::Tensor Network::exported(const std::string& name, const Tensor& t) const {
  engine::Tensor out(shapes_.at(name));
  const Tensor plain = t.detach().cpu().contiguous();
  std::copy_n(plain.data_ptr<float>(), out.values.size(), out.values.begin());
  return out;
}

Tensor Network::find(const std::string& name) const { return name.empty() ? Tensor() : values_.at(name); }

Features Network::normalize(const Node& norm, const Features& x, const Features& other, bool relu,
                            bool training) const {
  const BatchNorm values{find(norm.weight), find(norm.bias), find(sibling(norm.weight, "running_mean")),
                         find(sibling(norm.weight, "running_var")), norm.epsilon};
  return training && !is_frozen(norm.weight) ? normalized(values, x, other, relu)
                                             : normalized_as_moving(values, x, other, relu);
}

Features Network::evaluate(std::size_t index, const std::vector<Features>& inputs, std::optional<std::uint64_t> seed) {
  const Node& node = graph_.nodes[index];
  const Joined& with = joined_[index];
  if (with.elsewhere) return inputs.empty() ? Features() : inputs[0];
  if (node.op == Op::batch_norm && node.stored) return normalize(node, inputs[0], {}, with.relu, seed.has_value());
  if (with.norm >= 0) {
    const std::size_t norm = node.inputs[0] == with.norm ? 0 : 1;
    return normalize(graph_.nodes[static_cast<std::size_t>(with.norm)], inputs[norm], inputs[1 - norm], with.relu,
                     seed.has_value());
  }
  const Tensor weight = find(node.weight), bias = find(node.bias);
  if (node.op == Op::conv || node.op == Op::conv_transpose)
    return convolution(node, weight, bias, inputs, compute_.mixed);
  if (node.op == Op::dropout && seed) return {dropped(inputs[0].t, node.probability, *seed + index), inputs[0].runs};
  if (node.op == Op::relu) {
    const auto from = static_cast<std::size_t>(node.inputs[0]);
    Tensor x = inputs[0].t;
    if (uses_[from] == 1 && may_be_overwritten(graph_.nodes[from].op)) return {at::relu_(x), inputs[0].runs};
  }
  const bool alike = inputs.size() == 1 && treats_channels_alike(node.op);
  std::vector<Tensor> tensors;
  tensors.reserve(inputs.size());
  for (const Features& x : inputs) tensors.push_back(alike ? x.t : whole(x));
  const Tensor y = torch_backend::evaluate(node, weight, bias, tensors);
  return alike ? Features{y, inputs[0].runs} : in_runs(y);
}

std::vector<Tensor> Network::forward(const Tensor& input, std::optional<std::uint64_t> training_seed) {
  const at::AutoGradMode recorded(training_seed.has_value());
  std::vector<Features> values(graph_.nodes.size());
  std::vector<int> left = uses_;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (graph_.nodes[i].op == Op::input) {
      values[i] = in_runs(laid_out(input));
      continue;
    }
    std::vector<Features> inputs;
    for (const int n : joined_[i].inputs) {
      const auto from = static_cast<std::size_t>(n);
      inputs.push_back(values[from]);
      if (--left[from] == 0) values[from] = {};
    }
    values[i] = evaluate(i, inputs, training_seed);
  }
  std::vector<Tensor> outputs;
  for (const int output : graph_.output_nodes())
    outputs.push_back(whole(values[static_cast<std::size_t>(output)]).to(at::kFloat));
  return outputs;
}

void copy_into(const Tensors& from, const Tensors& to) {
  const at::NoGradGuard guard;
  for (const auto& [name, value] : from) Tensor(to.at(name)).copy_(value);
}

}  // namespace oncotome::training
