// SPDX-License-Identifier: Apache-2.0
#include "cases.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "oncotome/core/parallel.h"

namespace oncotome::bench {
namespace {

using engine::Dhw;
using engine::Graph;
using engine::Node;
using engine::Op;
using engine::Tensor;
using kernels::ConvShape;

std::uint64_t mixed(std::uint64_t n) {
  n = (n ^ n >> 30) * 0xBF58476D1CE4E5B9ULL;
  n = (n ^ n >> 27) * 0x94D049BB133111EBULL;
  return n ^ n >> 31;
}

std::string text_of(const Dhw& v) {
  return std::to_string(v[0]) + "x" + std::to_string(v[1]) + "x" + std::to_string(v[2]);
}

Dhw triple(const int v[3]) { return {v[0], v[1], v[2]}; }

double product(const Dhw& v) { return static_cast<double>(v[0] * v[1] * v[2]); }

double operations_of(const ConvShape& s) {
  return 2.0 * s.in_channels() * s.out_channels * product(triple(s.kernel)) *
         product(triple(s.transposed ? s.in : s.out));
}

/// Such as "conv 3x3x3 32+32->32 at 64x64x64 stride 2x2x2".
std::string name_of(const ConvShape& s) {
  std::string name = std::string(s.transposed ? "up " : "conv ") + text_of(triple(s.kernel)) + " ";
  for (int i = 0; i < s.source_count; ++i) name += (i ? "+" : "") + std::to_string(s.source_channels[i]);
  name += "->" + std::to_string(s.out_channels) + " at " + text_of(triple(s.in));
  const Dhw one{1, 1, 1}, stride = triple(s.stride), dilation = triple(s.dilation);
  if (!s.transposed && stride != one) name += " stride " + text_of(stride);
  if (dilation != one) name += " dilation " + text_of(dilation);
  if (s.in_layout == kernels::Layout::planar) name += " first";
  if (s.out_layout == kernels::Layout::planar) name += " last";
  return name;
}

Graph graph_of(const ConvShape& s) {
  Graph graph;
  Node node{s.transposed ? Op::conv_transpose : Op::conv, {}, "weight"};
  for (int i = 0; i < s.source_count; ++i) node.inputs.push_back(graph.add({}));
  if (s.source_count > 1) node.inputs = {graph.add({Op::concat, node.inputs})};
  node.channels = s.out_channels;
  node.kernel = triple(s.kernel);
  node.stride = triple(s.stride);
  node.dilation = triple(s.dilation);
  for (std::size_t a = 0; a < 3; ++a) {
    const int reach = (s.kernel[a] - 1) * s.dilation[a] + 1;
    const int full = s.transposed ? (s.in[a] - 1) * s.stride[a] + reach : 0;
    node.pad_before[a] = s.pad[a];
    node.pad_after[a] =
        s.transposed ? full - s.pad[a] - s.out[a] : (s.out[a] - 1) * s.stride[a] + reach - s.pad[a] - s.in[a];
    node.pad_after[a] = std::max<std::int64_t>(0, node.pad_after[a]);
  }
  graph.add(std::move(node));
  return graph;
}

/// Such a graph's inputs are one tensor, so it holds the convolution alone.
Task task_of(const ConvShape& s) {
  ConvShape whole = s;
  whole.source_count = 1;
  whole.source_channels[0] = s.in_channels();
  Task task{graph_of(whole), {}, noise({1, s.in_channels(), s.in[0], s.in[1], s.in[2]}, 1, 1.0, true)};
  task.weights = random_weights(task.graph, s.in_channels());
  return task;
}

std::vector<ConvShape> convolutions_of(const Net& net) {
  const auto shapes = node_shapes(net.graph, shape_of(net.input));
  std::vector<ConvShape> out;
  for (std::size_t n = 0; n < shapes.size(); ++n)
    if (net.graph.nodes[n].op == Op::conv || net.graph.nodes[n].op == Op::conv_transpose)
      out.push_back(convolution_of(net.graph, shapes, n));
  return out;
}

ConvShape same_size(int in, int out, const Dhw& extent, const Dhw& kernel) {
  ConvShape s;
  s.source_channels[0] = in;
  s.out_channels = out;
  for (std::size_t a = 0; a < 3; ++a) {
    s.in[a] = s.out[a] = static_cast<int>(extent[a]);
    s.kernel[a] = static_cast<int>(kernel[a]);
    s.pad[a] = s.kernel[a] / 2;
  }
  return s;
}

/// Odd sizes, channels that fill no block, flat kernels.
std::vector<ConvShape> awkward() {
  return {same_size(32, 32, {97, 131, 45}, {3, 3, 3}), same_size(64, 64, {13, 17, 19}, {3, 3, 3}),
          same_size(20, 24, {32, 32, 32}, {3, 3, 3}),  same_size(90, 50, {16, 16, 16}, {3, 3, 3}),
          same_size(32, 32, {19, 96, 96}, {1, 3, 3}),  same_size(32, 32, {19, 96, 96}, {3, 1, 1}),
          same_size(4, 32, {19, 96, 96}, {1, 3, 3})};
}

const std::set<std::string> kQuick = {"conv 3x3x3 32->32 at 64x64x64",
                                      "conv 3x3x3 64->64 at 32x32x32",
                                      "conv 3x3x3 128->128 at 16x16x16",
                                      "conv 3x3x3 256->256 at 8x8x8",
                                      "conv 3x3x3 320->320 at 4x4x4",
                                      "conv 3x3x3 32->64 at 64x64x64 stride 2x2x2",
                                      "conv 3x3x3 1->32 at 64x64x64 first",
                                      "conv 1x1x1 32->3 at 64x64x64 last",
                                      "up 2x2x2 64->32 at 32x32x32",
                                      "conv 1x1x1 256->64 at 1x56x56",
                                      "unet64",
                                      "blocks32"};

}  // namespace

Tensor noise(std::vector<std::int64_t> shape, std::uint64_t seed, double sigma, bool positive) {
  Tensor t(std::move(shape));
  constexpr std::int64_t kRun = 1 << 16;
  const auto count = static_cast<std::int64_t>(t.values.size());
  const std::uint64_t first = mixed(seed);
  parallel_for(0, (count + kRun - 1) / kRun, [&](std::int64_t run) {
    for (std::int64_t i = run * kRun; i < std::min(count, (run + 1) * kRun); ++i) {
      const std::uint64_t bits = mixed(first + static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15ULL);
      double sum = -131070;
      for (int part = 0; part < 64; part += 16) sum += static_cast<double>(bits >> part & 0xFFFF);
      // Of four numbers of variance 65536^2 / 12.
      const auto value = static_cast<float>(sum / 65536 * std::sqrt(3.0) * sigma);
      t.values[static_cast<std::size_t>(i)] = positive ? std::max(0.0F, value) : value;
    }
  });
  return t;
}

ConvShape convolution_of(const Graph& graph, const std::vector<engine::NodeShape>& shapes, std::size_t n) {
  const Node& node = graph.nodes[n];
  ConvShape s;
  s.transposed = node.op == Op::conv_transpose;
  const auto input = static_cast<std::size_t>(node.inputs[0]);
  const Node& before = graph.nodes[input];
  std::vector<int> sources = before.op == Op::concat ? before.inputs : std::vector<int>{node.inputs[0]};
  s.source_count = static_cast<int>(sources.size());
  for (int i = 0; i < s.source_count; ++i)
    s.source_channels[i] =
        static_cast<int>(shapes[static_cast<std::size_t>(sources[static_cast<std::size_t>(i)])].channels);
  s.out_channels = static_cast<int>(node.channels);
  for (std::size_t a = 0; a < 3; ++a) {
    s.in[a] = static_cast<int>(shapes[input].extent[a]);
    s.out[a] = static_cast<int>(shapes[n].extent[a]);
    s.kernel[a] = static_cast<int>(node.kernel[a]);
    s.stride[a] = static_cast<int>(node.stride[a]);
    s.dilation[a] = static_cast<int>(node.dilation[a]);
    s.pad[a] = static_cast<int>(node.pad_before[a]);
  }
  if (before.op == Op::input) s.in_layout = kernels::Layout::planar;
  if (n + 1 == shapes.size()) s.out_layout = kernels::Layout::planar;
  return s;
}

engine::Weights random_weights(const Graph& graph, std::int64_t in_channels) {
  engine::Weights weights;
  const auto shapes = node_shapes(graph, {in_channels, {1 << 20, 1 << 20, 1 << 20}});
  for (std::size_t n = 0; n < shapes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const std::int64_t out = shapes[n].channels;
    if (!node.weight.empty() && (node.op == Op::conv || node.op == Op::conv_transpose)) {
      std::int64_t in = shapes[static_cast<std::size_t>(node.inputs[0])].channels;
      const auto& k = node.kernel;
      const double terms =
          static_cast<double>(in) * (node.op == Op::conv ? product(k) : product(k) / product(node.stride));
      const bool up = node.op == Op::conv_transpose;
      weights[node.weight] = noise({up ? in : out, up ? out : in, k[0], k[1], k[2]}, 2 * n + 2, std::sqrt(2 / terms));
    } else if (!node.weight.empty()) {
      weights[node.weight] = noise({out}, 2 * n + 2, 0.2);
      for (float& v : weights[node.weight].values) v += 1;
    }
    if (node.stored) {
      const std::string stem = node.weight.substr(0, node.weight.rfind('.') + 1);
      weights[stem + "running_mean"] = engine::Tensor({out});
      weights[stem + "running_var"] = engine::Tensor({out}, 1);
    }
    if (!node.bias.empty()) weights[node.bias] = noise({out}, 2 * n + 3, 0.1);
  }
  return weights;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  std::set<std::string> seen;
  const auto add = [&](const ConvShape& s, const std::string& group) {
    const std::string name = name_of(s);
    if (seen.insert(name).second)
      cases.push_back({group + "/" + name, kQuick.count(name) != 0, s, [s] { return task_of(s); }, operations_of(s)});
  };
  const std::vector<Net> nets = networks();
  for (const Net& net : nets)
    for (const ConvShape& s : convolutions_of(net)) add(s, net.name);
  for (const ConvShape& s : awkward()) add(s, "awkward");
  for (const Net& net : nets) {
    if (net.name == "meshnet") continue;
    double operations = 0;
    for (const ConvShape& s : convolutions_of(net)) operations += operations_of(s);
    const auto make = [net] { return task_of(net, net.input, 1); };
    cases.push_back({"network/" + net.name, kQuick.count(net.name) != 0, std::nullopt, make, operations});
  }
  return cases;
}

}  // namespace oncotome::bench
