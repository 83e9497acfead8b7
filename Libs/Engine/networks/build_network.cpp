// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <set>

#include "layers.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "oncotome/engine/noise.h"

namespace oncotome::engine {
namespace networks {
namespace {

std::vector<Family> families() {
  return {
#define ONCOTOME_NETWORK(family) family(),
#include "network_list.h"
#undef ONCOTOME_NETWORK
  };
}

void check(const NetworkConfig& config, const Family& family) {
  const auto require = [&](bool fine, const std::string& what) {
    if (!fine) throw Error(ErrorCode::model_invalid, "this makes no " + config.architecture + ": " + what);
  };
  const auto within = [](std::int64_t v, std::int64_t least, std::int64_t most) { return v >= least && v <= most; };
  require(within(config.dimensions, 2, family.has_volumes ? 3 : 2),
          family.has_volumes ? "the number of dimensions must be 2 or 3" : "the number of dimensions must be 2");
  require(within(config.in_channels, 1, 4096), "it must have 1 to 4096 input channels");
  require(within(config.classes, 0, 65536), "it must have 0 to 65536 classes");
  require(within(config.labels, 0, family.segments ? 4096 : 0),
          family.segments ? "it must have 0 to 4096 labels" : "it has no labels, as it does not segment");
  require(config.classes + config.labels > 0,
          family.segments ? "it must have classes or labels" : "it must have classes");
  require(!config.deep_supervision || config.labels > 0, "it has no lower stages to supervise, as it does not segment");
  require(!config.lesion_pooling || (config.labels > 0 && config.classes > 0),
          "lesion pooling needs labels and classes");
  for (std::size_t a = 0; a < 3; ++a)
    require(within(config.input_size[a], 1, a == 0 && config.dimensions == 2 ? 1 : 4096),
            "input_size must be [depth, height, width] of 1 to 4096, and 1 deep in 2-D");
}

// A fully connected layer's [out, in * voxels] and 2-D kernels [out, in, kH, kW] as 5-D ones.
void give_five_axes(const Node& node, std::int64_t in_channels, Tensor& weight) {
  auto& shape = weight.shape;
  const Dhw& k = node.kernel;
  if (shape.size() == 2 && shape[1] == in_channels * k[0] * k[1] * k[2])
    shape = {shape[0], in_channels, k[0], k[1], k[2]};
  if (shape.size() == 4) shape.insert(shape.begin() + 2, 1);
}

bool convolves(const Node& node) { return node.op == Op::conv || node.op == Op::conv_transpose; }

void fill_evenly(Tensor& t, double bound, const Noise& noise) {
  constexpr std::int64_t kRun = 1 << 16;
  const auto count = static_cast<std::int64_t>(t.values.size());
  parallel_for(0, (count + kRun - 1) / kRun, [&](std::int64_t run) {
    for (std::int64_t i = run * kRun; i < std::min(count, (run + 1) * kRun); ++i)
      t.values[static_cast<std::size_t>(i)] =
          static_cast<float>(bound * (2 * noise.even(static_cast<std::uint64_t>(i)) - 1));
  });
}

Tensor initial_kernel(const Node& node, std::int64_t in_channels, bool gives_logits, const Noise& noise) {
  const bool up = node.op == Op::conv_transpose;
  const auto& k = node.kernel;
  Tensor t({up ? in_channels : node.channels, up ? node.channels : in_channels, k[0], k[1], k[2]});
  double terms = static_cast<double>(in_channels * k[0] * k[1] * k[2]);
  if (up) terms /= static_cast<double>(node.stride[0] * node.stride[1] * node.stride[2]);
  fill_evenly(t, std::sqrt((gives_logits ? 1 : 6) / terms), noise);
  return t;
}

}  // namespace
}  // namespace networks

using networks::Family;

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Family& family : networks::families()) names.insert(names.end(), family.names.begin(), family.names.end());
  std::sort(names.begin(), names.end());
  return names;
}

Graph build_network(const NetworkConfig& config) {
  for (const Family& family : networks::families()) {
    if (std::find(family.names.begin(), family.names.end(), config.architecture) == family.names.end()) continue;
    networks::check(config, family);
    Graph graph = family.build(config);
    node_shapes(graph, {config.in_channels, config.input_size});
    return graph;
  }
  std::string known;
  for (const std::string& name : network_names()) known += (known.empty() ? "" : ", ") + name;
  throw Error(ErrorCode::model_unsupported,
              "the network '" + config.architecture + "' is not known; known are " + known);
}

void fit_network_weights(const NetworkConfig& config, Weights& weights) {
  const Graph graph = build_network(config);
  const auto shapes = node_shapes(graph, {config.in_channels, config.input_size});
  std::set<std::string> known;
  for (const Node& node : graph.nodes) {
    known.insert({node.weight, node.bias});
    if (node.stored) {
      const std::string stem = node.weight.substr(0, node.weight.rfind('.') + 1);
      known.insert({stem + "running_mean", stem + "running_var"});
      weights.erase(stem + "num_batches_tracked");
    }
    const auto found = weights.find(node.weight);
    if (networks::convolves(node) && found != weights.end())
      networks::give_five_axes(node, shapes[static_cast<std::size_t>(node.inputs[0])].channels, found->second);
  }
  check_weights(graph, weights, config.in_channels);
  for (const auto& [name, tensor] : weights)
    if (known.count(name) == 0)
      throw Error(ErrorCode::weights_invalid,
                  "the weights hold '" + name + "', which a " + config.architecture + " does not have");
}

Weights initial_weights(const NetworkConfig& config, std::uint64_t seed) {
  const Graph graph = build_network(config);
  const auto shapes = node_shapes(graph, {config.in_channels, config.input_size});
  const std::vector<int> outputs = graph.output_nodes();
  Weights weights;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const std::int64_t out = shapes[n].channels;
    if (networks::convolves(node)) {
      const bool gives_logits = std::count(outputs.begin(), outputs.end(), static_cast<int>(n)) > 0;
      const std::int64_t in = shapes[static_cast<std::size_t>(node.inputs[0])].channels;
      weights[node.weight] = networks::initial_kernel(node, in, gives_logits, Noise(seed, n));
    }
    if (node.stored) {
      const std::string stem = node.weight.substr(0, node.weight.rfind('.') + 1);
      weights[node.weight] = weights[stem + "running_var"] = Tensor({out}, 1);
      weights[stem + "running_mean"] = Tensor({out});
    }
    if (!node.bias.empty()) weights[node.bias] = Tensor({out});
  }
  return weights;
}

}  // namespace oncotome::engine
