// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/graph.h"

#include <cmath>

#include "oncotome/core/error.h"

namespace oncotome::engine {
namespace {

// What "<x>.weight" begins with, its point included.
std::string stem_of(const std::string& weight_name) {
  return weight_name.substr(0, weight_name.size() - std::string("weight").size());
}

[[noreturn]] void no_shape(const std::string& why) {
  throw Error(ErrorCode::model_invalid, "the network does not take an input of this size: " + why);
}

std::int64_t windows(const Node& node, std::size_t axis, std::int64_t extent, std::int64_t reach) {
  const std::int64_t room = extent + node.pad_before[axis] + node.pad_after[axis] - reach;
  return room < 0 ? 0 : room / node.stride[axis] + 1;
}

std::int64_t extent_after(const Node& node, std::size_t a, std::int64_t extent) {
  switch (node.op) {
    case Op::conv:
      return windows(node, a, extent, (node.kernel[a] - 1) * node.dilation[a] + 1);
    case Op::conv_transpose:
      return (extent - 1) * node.stride[a] + (node.kernel[a] - 1) * node.dilation[a] + 1 - node.pad_before[a] -
             node.pad_after[a];
    case Op::max_pool:
      return windows(node, a, extent, node.kernel[a]);
    case Op::avg_pool:
      return extent / node.stride[a];
    case Op::adaptive_avg_pool:
      return node.kernel[a];
    case Op::weighted_mean:
      return 1;
    case Op::crop_depth:
      return a == 0 ? extent - node.pad_before[0] - node.pad_after[0] : extent;
    case Op::upsample:
      return extent * node.stride[a];
    default:
      return extent;
  }
}

}  // namespace

const char* op_name(Op op) {
  switch (op) {
    case Op::input:
      return "input";
    case Op::conv:
      return "conv";
    case Op::conv_transpose:
      return "conv_transpose";
    case Op::instance_norm:
      return "instance_norm";
    case Op::batch_norm:
      return "batch_norm";
    case Op::affine:
      return "affine";
    case Op::group_norm:
      return "group_norm";
    case Op::prelu:
      return "prelu";
    case Op::leaky_relu:
      return "leaky_relu";
    case Op::relu:
      return "relu";
    case Op::elu:
      return "elu";
    case Op::gelu:
      return "gelu";
    case Op::avg_pool:
      return "avg_pool";
    case Op::max_pool:
      return "max_pool";
    case Op::adaptive_avg_pool:
      return "adaptive_avg_pool";
    case Op::weighted_mean:
      return "weighted_mean";
    case Op::dropout:
      return "dropout";
    case Op::add:
      return "add";
    case Op::concat:
      return "concat";
    case Op::crop_depth:
      return "crop_depth";
    case Op::pad_channels:
      return "pad_channels";
    case Op::softmax:
      return "softmax";
    case Op::upsample:
      return "upsample";
  }
  return "";
}

std::vector<NodeShape> node_shapes(const Graph& graph, const NodeShape& input) {
  std::vector<NodeShape> shapes;
  for (const Node& node : graph.nodes) {
    const auto shape_of = [&](int n) -> const NodeShape& { return shapes[static_cast<std::size_t>(n)]; };
    NodeShape s = node.inputs.empty() ? input : shape_of(node.inputs[0]);
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
      const NodeShape& other = shape_of(node.inputs[i]);
      if (other.extent != s.extent) no_shape("two tensors that are joined differ in extent");
      if (node.op == Op::concat) s.channels += other.channels;
    }
    for (std::size_t a = 0; a < 3; ++a) {
      s.extent[a] = extent_after(node, a, s.extent[a]);
      if (s.extent[a] < 1) no_shape("nothing is left of it");
    }
    if (node.op == Op::conv || node.op == Op::conv_transpose) s.channels = node.channels;
    if (node.op == Op::pad_channels) s.channels += node.pad_before[0] + node.pad_after[0];
    shapes.push_back(s);
  }
  return shapes;
}

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
        if (node.stored)
          for (const char* leaf : {"running_mean", "running_var"}) expect_channels(stem_of(node.weight) + leaf);
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
  const std::string stem = stem_of(weight_name);
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

Graph inference_graph(const Graph& graph, Weights& weights) {
  Graph out;
  std::vector<int> places;
  for (Node node : graph.nodes) {
    for (int& input : node.inputs) input = places[static_cast<std::size_t>(input)];
    if (node.op == Op::dropout) {
      places.push_back(node.inputs[0]);
      continue;
    }
    if (node.op == Op::batch_norm && node.stored) {
      fold_statistics(node.weight, node.epsilon, weights);
      node.op = Op::affine;
      node.stored = false;
    }
    places.push_back(out.add(std::move(node)));
  }
  for (const int output : graph.output_nodes()) out.outputs.push_back(places[static_cast<std::size_t>(output)]);
  return out;
}

std::vector<GraphPart> dropout_parts(const Graph& graph, Weights& weights) {
  const auto other = [] {
    return Error(ErrorCode::model_unsupported,
                 "the dropouts of this network do not follow one another on the only way to its classes");
  };
  std::vector<GraphPart> parts(1);
  std::vector<std::pair<std::size_t, int>> places;  // part, and node in it
  const auto place_of = [&](int node) { return places[static_cast<std::size_t>(node)]; };
  for (const Node& node : graph.nodes) {
    const std::size_t part = node.inputs.empty() ? 0 : place_of(node.inputs[0]).first;
    if (node.op == Op::dropout) {
      if (part + 1 != parts.size()) throw other();
      parts.back().graph.outputs = {place_of(node.inputs[0]).second};
      parts.push_back({node.probability, {}});
      places.emplace_back(part + 1, parts.back().graph.add({}));
      continue;
    }
    Node here = node;
    for (int& input : here.inputs) {
      if (place_of(input).first != part) throw other();
      input = place_of(input).second;
    }
    places.emplace_back(part, parts[part].graph.add(std::move(here)));
  }
  const std::vector<int> outputs = graph.output_nodes();
  for (std::size_t o = 0; o + 1 < outputs.size(); ++o) {
    const auto [part, node] = place_of(outputs[o]);
    if (part != 0) throw other();
    parts[0].graph.outputs.insert(parts[0].graph.outputs.end() - (parts.size() > 1 ? 1 : 0), node);
  }
  const auto [part, node] = place_of(outputs.back());
  if (part + 1 != parts.size()) throw other();
  parts.back().graph.outputs.push_back(node);
  for (GraphPart& p : parts) p.graph = inference_graph(p.graph, weights);
  return parts;
}

}  // namespace oncotome::engine
