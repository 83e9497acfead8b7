// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

/// D,H,W triple.
using Dhw = std::array<std::int64_t, 3>;

enum class Op {
  input,           ///< The network's input, [N,C,D,H,W].
  conv,            ///< Cross-correlation; weight [Cout,Cin,kD,kH,kW]; zeros pad_before/pad_after.
  conv_transpose,  ///< Weight [Cin,Cout,kD,kH,kW]; the full result is cropped by pad_before/pad_after.
  instance_norm,   ///< (x - mean) / sqrt(biased variance + epsilon) * weight + bias, over D,H,W of each channel;
                   ///< without a weight only the quotient.
  batch_norm,      ///< The same with the statistics of the whole batch, over N,D,H,W of each channel; `stored`: with
                   ///< those that the weights hold beside "<x>.weight", "<x>.running_mean" and "<x>.running_var".
  affine,          ///< x * weight + bias of each channel.
  group_norm,      ///< As instance_norm, over the voxels of each of `groups` runs of channels.
  prelu,           ///< weight[C] below zero.
  leaky_relu,      ///< `slope` below zero.
  relu,            ///< 0 below zero.
  elu,             ///< exp(x) - 1 below zero.
  gelu,            ///< x * Phi(x), exact (arXiv:1606.08415).
  avg_pool,        ///< Mean of each block of `stride` voxels.
  max_pool,        ///< Maximum of `kernel` voxels every `stride`, of those there are: at most half a kernel lies before
                   ///< the first and after the last (pad_before, equal to pad_after).
  adaptive_avg_pool,  ///< To `kernel` voxels: output i is the mean of floor(i * in / out) to ceil((i + 1) * in / out).
  weighted_mean,      ///< Of the first input over D,H,W, each voxel weighted by 1 - the second's channel 0: sum(w x) /
                      ///< (sum(w) + 1), which goes to 0 where there is no weight.
  dropout,            ///< Zeros with `probability` and the rest divided by one less it, in training alone.
  add,                ///< Of two equal shapes.
  concat,             ///< Along C.
  crop_depth,         ///< Drops pad_before[0] and pad_after[0] slices.
  pad_channels,       ///< Adds pad_before[0] and pad_after[0] channels of zeros.
  softmax,            ///< Over C.
  upsample,           ///< D,H,W times `stride`, trilinear between voxel centers (align_corners false).
};

/// As it is spelled in Op.
const char* op_name(Op op);

/// One operation; weight and bias are names in the network's Weights, bias may be empty.
struct Node {
  Op op = Op::input;
  std::vector<int> inputs{};
  std::string weight{};
  std::string bias{};
  Dhw stride{1, 1, 1};
  Dhw dilation{1, 1, 1};
  Dhw pad_before{0, 0, 0};
  Dhw pad_after{0, 0, 0};
  double slope = 0.0;
  double epsilon = 1e-5;
  std::int64_t channels = 0;  ///< Of a convolution's output; 0: as many as the weight has.
  Dhw kernel{0, 0, 0};        ///< Of a pool, and of a convolution; zeros then: what the weight has.
  std::int64_t groups = 1;
  bool stored = false;
  double probability = 0.0;
};

/// A network as a list in order of evaluation. 2-D networks are 3-D ones with kD = D = 1.
struct Graph {
  std::vector<Node> nodes;
  std::vector<int> outputs{};  ///< Empty: the last node.

  std::vector<int> output_nodes() const {
    return outputs.empty() ? std::vector<int>{static_cast<int>(nodes.size()) - 1} : outputs;
  }

  int add(Node node) {
    nodes.push_back(std::move(node));
    return static_cast<int>(nodes.size()) - 1;
  }
};

/// What a node gives.
struct NodeShape {
  std::int64_t channels = 0;
  Dhw extent{};
};

/// Of every node, for an input of this shape; convolutions must tell their channels and kernels. Throws
/// Error{model_invalid} where shapes do not meet or nothing is left.
std::vector<NodeShape> node_shapes(const Graph& graph, const NodeShape& input);

/// Follows the channels through the graph and compares them, and what kernels are given, with each weight's shape.
/// Throws Error{weights_invalid} that names the weight that is absent or does not fit.
void check_weights(const Graph& graph, const Weights& weights, std::int64_t in_channels);

/// Makes BatchNorm's stored statistics and weights what Op::affine takes. Throws Error{weights_invalid}.
void fold_statistics(const std::string& weight_name, double epsilon, Weights& weights);

/// The graph as backends run it: stored statistics are folded into Op::affine, and dropouts are left out. Throws
/// Error{weights_invalid}.
Graph inference_graph(const Graph& graph, Weights& weights);

/// A graph from one dropout to the next.
struct GraphPart {
  double probability = 0;  ///< Of the dropout before it, which the first one has not.
  Graph graph;             ///< Its last output is what the next dropout takes, or the whole graph's last output.
};

/// The parts of a graph whose dropouts follow one another on the only way to its last output, each as backends run it.
/// Outputs but the last lie in the first part. Throws as inference_graph(), and Error{model_unsupported} for another
/// graph.
std::vector<GraphPart> dropout_parts(const Graph& graph, Weights& weights);

}  // namespace oncotome::engine
