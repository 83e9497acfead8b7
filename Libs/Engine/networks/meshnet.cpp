// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "oncotome/core/error.h"
#include "oncotome/engine/networks.h"

namespace oncotome::engine {
namespace {

void check(const MeshNetConfig& config) {
  const auto within = [](std::int64_t v, std::int64_t most) { return v >= 1 && v <= most; };
  bool sane = within(config.in_channels, 16) && within(config.channels, 512) && config.out_channels > 1 &&
              config.out_channels <= 256 && !config.dilations.empty() && config.dilations.size() <= 256;
  for (std::int64_t d : config.dilations) sane = sane && within(d, 64);
  sane = sane && (config.activation == Op::relu || config.activation == Op::elu || config.activation == Op::gelu);
  if (!sane) throw Error(ErrorCode::model_invalid, "model.json: the MeshNet's configuration makes no network");
}

// More channels than the shape has, filled with zeros.
void widen(Tensor& t, const std::vector<std::int64_t>& shape) {
  const auto taps = static_cast<std::size_t>(shape.size() == 5 ? shape[2] * shape[3] * shape[4] : 1);
  const auto in = static_cast<std::size_t>(shape.size() == 5 ? t.shape[1] : 1);
  const auto wide_in = static_cast<std::size_t>(shape.size() == 5 ? shape[1] : 1);
  Tensor wide(shape);
  for (std::size_t o = 0; o < static_cast<std::size_t>(t.shape[0]); ++o)
    std::copy_n(t.values.begin() + static_cast<std::ptrdiff_t>(o * in * taps), in * taps,
                wide.values.begin() + static_cast<std::ptrdiff_t>(o * wide_in * taps));
  t = std::move(wide);
}

}  // namespace

Graph build_meshnet(const MeshNetConfig& config) {
  check(config);
  Graph graph;
  int x = graph.add({});
  for (std::size_t i = 0; i < config.dilations.size(); ++i) {
    const std::string name = "layer." + std::to_string(i);
    const std::int64_t d = config.dilations[i];
    Node conv{Op::conv, {x}, name + ".weight", config.instance_norm ? "" : name + ".bias"};
    conv.dilation = conv.pad_before = conv.pad_after = {d, d, d};
    conv.kernel = {3, 3, 3};
    conv.channels = config.channels;
    x = graph.add(conv);
    if (config.instance_norm) x = graph.add({Op::instance_norm, {x}});
    x = graph.add({config.activation, {x}});
  }
  Node head{Op::conv, {x}, "head.weight", "head.bias"};
  head.kernel = {1, 1, 1};
  head.channels = config.out_channels;
  graph.add(head);
  return graph;
}

void fit_meshnet_weights(MeshNetConfig& config, Weights& weights) {
  check_weights(build_meshnet(config), weights, config.in_channels);
  if (config.channels <= 8 || config.channels % 16 == 0) return;
  // oneDNN's fast convolutions take channels by sixteen. A channel of zeros stays zero through norm and activation.
  config.channels += 16 - config.channels % 16;
  for (auto& [name, tensor] : weights) {
    std::vector<std::int64_t> shape = tensor.shape;
    const bool head = name == "head.weight" || name == "head.bias";
    if (!head) shape[0] = config.channels;
    if (shape.size() == 5 && name != "layer.0.weight") shape[1] = config.channels;
    widen(tensor, shape);
  }
  check_weights(build_meshnet(config), weights, config.in_channels);
}

}  // namespace oncotome::engine
