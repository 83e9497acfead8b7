// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/error.h"
#include "oncotome/engine/networks.h"

namespace oncotome::engine {
namespace {

class Builder {
 public:
  explicit Builder(const UNetConfig& config) : config_(config), flat_(config.dimensions == 2) {}

  Graph build() {
    const auto stages = config_.features.size();
    std::vector<int> skips;
    int x = graph_.add({});
    for (std::size_t i = 0; i < stages; ++i) {
      x = stage("encoder." + std::to_string(i), x, config_.features[i], i > 0);
      skips.push_back(x);
    }
    for (std::size_t d = 0; d + 1 < stages; ++d) {
      const std::string name = "decoder." + std::to_string(d);
      Node up{Op::conv_transpose, {x}, name + ".up.weight", name + ".up.bias"};
      up.stride = up.kernel = two();
      up.channels = config_.features[stages - 2 - d];
      x = graph_.add(up);
      x = graph_.add({Op::concat, {x, skips[stages - 2 - d]}});
      x = stage(name, x, up.channels, false);
    }
    Node head{Op::conv, {x}, "head.weight", "head.bias"};
    head.channels = config_.out_channels;
    head.kernel = {1, 1, 1};
    graph_.add(head);
    return std::move(graph_);
  }

 private:
  Dhw two() const { return {flat_ ? 1 : 2, 2, 2}; }

  int stage(const std::string& name, int x, std::int64_t channels, bool halve) {
    for (int j = 0; j < config_.convs_per_stage; ++j) {
      const std::string block = name + "." + std::to_string(j);
      Node conv{Op::conv, {x}, block + ".conv.weight", block + ".conv.bias"};
      conv.pad_before = conv.pad_after = {flat_ ? 0 : 1, 1, 1};
      conv.kernel = {flat_ ? 1 : 3, 3, 3};
      conv.channels = channels;
      if (halve && j == 0) conv.stride = two();
      x = graph_.add(conv);
      x = graph_.add({Op::instance_norm, {x}, block + ".norm.weight", block + ".norm.bias"});
      Node activation{Op::leaky_relu, {x}};
      activation.slope = 0.01;
      x = graph_.add(activation);
    }
    return x;
  }

  const UNetConfig& config_;
  const bool flat_;
  Graph graph_;
};

void check(const UNetConfig& config) {
  const bool sane = (config.dimensions == 2 || config.dimensions == 3) && config.in_channels > 0 &&
                    config.out_channels > 1 && !config.features.empty() && config.features.size() <= 8 &&
                    config.convs_per_stage > 0 && config.convs_per_stage <= 8;
  bool positive = sane;
  for (std::int64_t f : config.features) positive = positive && f > 0 && f <= 4096;
  if (!positive) throw Error(ErrorCode::model_invalid, "model.json: the U-Net's configuration makes no network");
}

}  // namespace

Graph build_unet(const UNetConfig& config) {
  check(config);
  return Builder(config).build();
}

Dhw unet_divisor(const UNetConfig& config) {
  const std::int64_t d = std::int64_t{1} << (config.features.size() - 1);
  return {config.dimensions == 2 ? 1 : d, d, d};
}

void fit_unet_weights(const UNetConfig& config, Weights& weights) {
  if (config.dimensions == 2)
    for (auto& [name, tensor] : weights)
      if (tensor.shape.size() == 4) tensor.shape.insert(tensor.shape.begin() + 2, 1);
  check_weights(build_unet(config), weights, config.in_channels);
}

}  // namespace oncotome::engine
