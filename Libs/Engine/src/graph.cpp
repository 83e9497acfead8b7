// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/graph.h"

#include <cmath>

#include "oncotome/core/error.h"

namespace oncotome::engine {

void check_weights(const Graph& graph, const Weights& weights, std::int64_t in_channels) {
  std::vector<std::int64_t> channels;
  for (const Node& node : graph.nodes) {
    std::int64_t c = node.inputs.empty() ? in_channels : channels[static_cast<std::size_t>(node.inputs[0])];
    const auto get = [&](const std::string& name) -> const Tensor& {
      const auto found = weights.find(name);
      if (found == weights.end()) throw Error(ErrorCode::weights_invalid, "the weights lack '" + name + "'");
      return found->second;
    };
    const auto expect = [](const std::string& name, bool fits) {
      if (!fits)
        throw Error(ErrorCode::weights_invalid, "'" + name + "' does not have the shape that the network needs");
    };
    const auto expect_channels = [&](const std::string& name) {
      if (!name.empty()) expect(name, get(name).shape == std::vector<std::int64_t>{c});
    };
    switch (node.op) {
      case Op::conv:
      case Op::conv_transpose: {
        const Tensor& w = get(node.weight);
        const std::size_t in = node.op == Op::conv ? 1 : 0;
        expect(node.weight, w.shape.size() == 5 && w.shape[in] == c && !w.values.empty());
        c = w.shape[1 - in];
        const Dhw kernel{w.shape[2], w.shape[3], w.shape[4]};
        expect(node.weight,
               (node.channels == 0 || c == node.channels) && (node.kernel == Dhw{0, 0, 0} || kernel == node.kernel));
        break;
      }
      case Op::instance_norm:
      case Op::batch_norm:
      case Op::affine:
      case Op::group_norm:
      case Op::prelu:
        expect(node.weight, node.groups > 0 && c % node.groups == 0);
        expect_channels(node.weight);
        break;
      case Op::concat:
        c = 0;
        for (int input : node.inputs) c += channels[static_cast<std::size_t>(input)];
        break;
      case Op::pad_channels:
        c += node.pad_before[0] + node.pad_after[0];
        break;
      default:
        break;
    }
    expect_channels(node.bias);
    channels.push_back(c);
  }
}

void fold_statistics(const std::string& weight_name, double epsilon, Weights& weights) {
  const std::string stem = weight_name.substr(0, weight_name.size() - std::string("weight").size());
  const auto take = [&](const char* leaf) -> Tensor& {
    const auto found = weights.find(stem + leaf);
    if (found == weights.end()) throw Error(ErrorCode::weights_invalid, "the weights lack '" + stem + leaf + "'");
    return found->second;
  };
  Tensor &weight = take("weight"), &bias = take("bias"), &mean = take("running_mean"), &variance = take("running_var");
  if (bias.shape != weight.shape || mean.shape != weight.shape || variance.shape != weight.shape)
    throw Error(ErrorCode::weights_invalid, "'" + weight_name + "' and its bias and statistics differ in shape");
  for (std::size_t i = 0; i < weight.values.size(); ++i) {
    if (!(variance.values[i] >= 0))
      throw Error(ErrorCode::weights_invalid, "'" + stem + "running_var' holds a variance below zero");
    const double scale = weight.values[i] / std::sqrt(variance.values[i] + epsilon);
    weight.values[i] = static_cast<float>(scale);
    bias.values[i] = static_cast<float>(bias.values[i] - mean.values[i] * scale);
  }
  for (const char* leaf : {"running_mean", "running_var"}) weights.erase(stem + leaf);
}

}  // namespace oncotome::engine
