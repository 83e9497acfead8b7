// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/graph.h"

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
      case Op::prelu:
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

}  // namespace oncotome::engine
