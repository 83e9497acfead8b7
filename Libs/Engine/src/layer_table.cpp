// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/layer_table.h"

#include <algorithm>

#include "oncotome/engine/layer_names.h"

namespace oncotome::engine {
namespace {

std::int64_t product(const Dhw& v) { return v[0] * v[1] * v[2]; }

bool convolves(const Node& node) { return node.op == Op::conv || node.op == Op::conv_transpose; }

bool averages(const Node& node) { return node.op == Op::adaptive_avg_pool || node.op == Op::weighted_mean; }

void place_window(const Node& node, Layer& layer) {
  if (convolves(node) || node.op == Op::max_pool) {
    layer.kernel = node.kernel;
    layer.stride = node.stride;
    layer.padding = node.pad_before;
  }
  if (node.op == Op::avg_pool) layer.kernel = layer.stride = node.stride;
  if (node.op == Op::upsample) layer.stride = node.stride;
  if (!averages(node)) return;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::int64_t in = layer.in.extent[a], out = layer.out.extent[a];
    layer.stride[a] = std::max<std::int64_t>(1, in / out);
    layer.kernel[a] = (in + out - 1) / out + (in % out == 0 || out == 1 ? 0 : 1);
  }
}

// Of an axis; the layer has those of what it reads.
void widen(const Node& node, std::size_t a, Layer& layer) {
  double &field = layer.receptive_field[a], &jump = layer.jump[a];
  const auto stride = static_cast<double>(layer.stride[a]);
  const std::int64_t reach = (layer.kernel[a] - 1) * (convolves(node) ? node.dilation[a] : 1);
  if (node.op == Op::conv_transpose) {
    const std::int64_t inputs = reach / node.stride[a];
    field += jump * static_cast<double>(inputs);
    jump /= stride;
  } else if (node.op == Op::upsample) {
    field += stride > 1 ? jump : 0;
    jump /= stride;
  } else {
    field += jump * static_cast<double>(reach);
    jump *=
        averages(node) ? static_cast<double>(layer.in.extent[a]) / static_cast<double>(layer.out.extent[a]) : stride;
  }
}

void count(const Node& node, Layer& layer) {
  const std::int64_t in = layer.in.channels, out = layer.out.channels;
  if (!node.bias.empty()) layer.parameters += out;
  if (node.weight.empty()) return;
  if (!convolves(node)) {
    layer.parameters += out;
    return;
  }
  const std::int64_t products = in * out * product(node.kernel);
  layer.parameters += products;
  layer.operations = 2 * static_cast<double>(products) *
                     static_cast<double>(product(node.op == Op::conv ? layer.out.extent : layer.in.extent));
}

}  // namespace

std::vector<Layer> layer_table(const Graph& graph, const NodeShape& input) {
  const std::vector<NodeShape> shapes = node_shapes(graph, input);
  const std::vector<std::string> names = layer_names(graph);
  std::vector<Layer> layers;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    Layer layer;
    layer.name = names[n];
    layer.type = op_name(node.op);
    layer.out = shapes[n];
    layer.in = node.inputs.empty() ? input : shapes[static_cast<std::size_t>(node.inputs[0])];
    for (const int from : node.inputs) {
      const Layer& before = layers[static_cast<std::size_t>(from)];
      for (std::size_t a = 0; a < 3; ++a) {
        layer.receptive_field[a] = std::max(layer.receptive_field[a], before.receptive_field[a]);
        layer.jump[a] = before.jump[a];
      }
    }
    if (node.op == Op::concat) layer.in.channels = layer.out.channels;
    place_window(node, layer);
    for (std::size_t a = 0; a < 3; ++a) widen(node, a, layer);
    count(node, layer);
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace oncotome::engine
