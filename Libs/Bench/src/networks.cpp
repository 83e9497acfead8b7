// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/networks.h"

#include "cases.h"

namespace oncotome::bench {
namespace {

using engine::Dhw;
using engine::Graph;
using engine::Node;
using engine::Op;

constexpr Dhw kOne{1, 1, 1};

Graph conv_unet(int dimensions, std::vector<std::int64_t> features, bool residual, std::int64_t classes) {
  engine::ConvUNetConfig config;
  const std::size_t stages = features.size();
  const std::int64_t deep = dimensions == 3 ? 1 : 0;
  config.dimensions = dimensions;
  config.out_channels = classes;
  config.residual_encoder = residual;
  config.stem_channels = residual ? features[0] : 0;
  config.kernel_sizes.assign(stages, {1 + 2 * deep, 3, 3});
  config.strides.assign(stages, {1 + deep, 2, 2});
  config.strides[0] = kOne;
  config.encoder_convs.assign(stages, 2);
  if (residual) config.encoder_convs = {1, 3, 4, 6, 6, 6};
  config.decoder_convs.assign(stages - 1, residual ? 1 : 2);
  config.features = std::move(features);
  return engine::build_conv_unet(config);
}

/// Four times convolution, instance normalization and LeakyReLU, and a head of one channel.
Graph blocks(std::int64_t channels) {
  Graph graph;
  int x = graph.add({});
  for (int i = 0; i < 5; ++i) {
    const std::string name = "block" + std::to_string(i);
    Node conv{Op::conv, {x}, name + ".weight"};
    conv.channels = channels;
    conv.kernel = {3, 3, 3};
    conv.pad_before = conv.pad_after = kOne;
    x = graph.add({Op::instance_norm, {graph.add(conv)}, name + ".norm.weight", name + ".norm.bias"});
    Node activation{Op::leaky_relu, {x}};
    activation.slope = 0.01;
    x = graph.add(activation);
  }
  graph.add({Op::conv, {x}, "head.weight", "head.bias"});
  graph.nodes.back().channels = 1;
  graph.nodes.back().kernel = kOne;
  return graph;
}

}  // namespace

Task task_of(const Net& net, const std::vector<std::int64_t>& input, std::uint64_t seed) {
  Task task{{}, random_weights(net.graph, net.input[1]), noise(input, seed, 1.0)};
  task.graph = engine::inference_graph(net.graph, task.weights);
  const auto shapes = engine::node_shapes(task.graph, shape_of(input));
  for (Node& node : task.graph.nodes) {
    if (node.op != Op::adaptive_avg_pool) continue;
    const Dhw& extent = shapes[static_cast<std::size_t>(node.inputs[0])].extent;
    node.op = Op::avg_pool;
    for (std::size_t a = 0; a < 3; ++a) node.stride[a] = extent[a] / node.kernel[a];
  }
  return task;
}

std::vector<Net> networks() {
  const std::vector<std::int64_t> plain = {32, 64, 128, 256, 320, 320};
  const engine::MeshNetConfig meshnet{1, 16, 3, {1, 2, 4, 8, 16, 8, 4, 2, 1}, Op::relu, false};
  return {{"unet64", conv_unet(3, plain, false, 3), {1, 1, 64, 64, 64}},
          {"unet128", conv_unet(3, plain, false, 3), {1, 1, 128, 128, 128}},
          {"resenc64", conv_unet(3, plain, true, 3), {1, 1, 64, 64, 64}},
          {"unet2d", conv_unet(2, {32, 64, 128, 256, 512}, false, 3), {1, 1, 1, 256, 256}},
          {"resnet50", engine::build_network({"resnet50", 2, 3, 1000}), {1, 3, 1, 224, 224}},
          {"vgg16", engine::build_network({"vgg16", 2, 3, 1000}), {1, 3, 1, 224, 224}},
          {"resnet18-3d", engine::build_network({"resnet18", 3, 1, 2, 0, {96, 96, 96}}), {1, 1, 96, 96, 96}},
          {"meshnet", engine::build_meshnet(meshnet), {1, 1, 64, 64, 64}},
          {"blocks32", blocks(32), {1, 1, 64, 64, 64}},
          {"blocks128", blocks(128), {1, 1, 16, 16, 16}}};
}

}  // namespace oncotome::bench
