// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "oncotome/engine/networks.h"

namespace oncotome::engine::networks {

/// What a file of network_list.h defines, in a function of its name.
struct Family {
  std::vector<const char*> names;
  bool has_volumes = false;  ///< 3-D networks too.
  bool segments = false;     ///< May have a segmentation head.
  /// The configuration is known to be sane, but for the extents.
  Graph (*build)(const NetworkConfig& config) = nullptr;
};

#define ONCOTOME_NETWORK(family) Family family();
#include "network_list.h"
#undef ONCOTOME_NETWORK

/// A network in the making: layers by PyTorch's names and settings. Each takes a node and returns a new one.
class Layers {
 public:
  struct Window {
    std::int64_t kernel = 1, stride = 1, pad = 0;
  };

  explicit Layers(const NetworkConfig& config) : config_(config), flat_(config.dimensions == 2) { graph_.add({}); }

  /// The input's node.
  static constexpr int kInput = 0;

  int conv(const std::string& name, int x, std::int64_t channels, const Window& window, bool bias) {
    Node node{Op::conv, {x}, name + ".weight", bias ? name + ".bias" : ""};
    node.channels = channels;
    place(node, window);
    return graph_.add(node);
  }

  int up(const std::string& name, int x, std::int64_t channels) {
    Node node{Op::conv_transpose, {x}, name + ".weight", name + ".bias"};
    node.channels = channels;
    place(node, {2, 2});
    return graph_.add(node);
  }

  int linear(const std::string& name, int x, std::int64_t channels, const Dhw& extent = {1, 1, 1}) {
    Node node{Op::conv, {x}, name + ".weight", name + ".bias"};
    node.channels = channels;
    node.kernel = extent;
    return graph_.add(node);
  }

  int norm(const std::string& name, int x) {
    Node node{Op::batch_norm, {x}, name + ".weight", name + ".bias"};
    node.stored = true;
    return graph_.add(node);
  }

  int relu(int x) { return graph_.add({Op::relu, {x}}); }
  int add(int x, int y) { return graph_.add({Op::add, {x, y}}); }
  int concat(int x, int y) { return graph_.add({Op::concat, {x, y}}); }

  int softmax(int x) { return graph_.add({Op::softmax, {x}}); }
  int weighted_mean(int x, int weights) { return graph_.add({Op::weighted_mean, {x, weights}}); }

  /// Means of blocks of `factor` voxels along each axis.
  int thinned(int x, std::int64_t factor) {
    Node node{Op::avg_pool, {x}};
    place(node, {factor, factor});
    return graph_.add(node);
  }

  int max_pool(int x, const Window& window) {
    Node node{Op::max_pool, {x}};
    place(node, window);
    return graph_.add(node);
  }

  int mean(int x, const Dhw& extent = {1, 1, 1}) {
    Node node{Op::adaptive_avg_pool, {x}};
    node.kernel = extent;
    return graph_.add(node);
  }

  int dropout(int x) {
    Node node{Op::dropout, {x}};
    node.probability = 0.5;
    return graph_.add(node);
  }

  /// Of the last node, for the configuration's input. Throws Error{model_invalid}.
  Dhw extent() const { return node_shapes(graph_, {config_.in_channels, config_.input_size}).back().extent; }

  Graph take(std::vector<int> outputs = {}) {
    graph_.outputs = std::move(outputs);
    return std::move(graph_);
  }

 private:
  void place(Node& node, const Window& window) const {
    const auto cube = [&](std::int64_t n, std::int64_t flat) { return Dhw{flat_ ? flat : n, n, n}; };
    node.kernel = cube(window.kernel, 1);
    node.stride = cube(window.stride, 1);
    node.pad_before = node.pad_after = cube(window.pad, 0);
  }

  const NetworkConfig& config_;
  const bool flat_;
  Graph graph_;
};

}  // namespace oncotome::engine::networks
