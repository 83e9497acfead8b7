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

/// Networks that tell what an image shows, with the statistics of BatchNorm folded into an affine map.
class Classifier {
 public:
  explicit Classifier(bool flat) : flat_(flat), x_(graph_.add({})) {}

  int conv(int from, std::int64_t channels, std::int64_t kernel, std::int64_t stride, std::int64_t pad, bool bias) {
    const std::string name = "layer" + std::to_string(graph_.nodes.size());
    Node node{Op::conv, {from}, name + ".weight", bias ? name + ".bias" : ""};
    node.channels = channels;
    node.kernel = cube(kernel, 1);
    node.stride = cube(stride, 1);
    node.pad_before = node.pad_after = cube(pad, 0);
    return graph_.add(node);
  }

  int conv_affine(int from, std::int64_t channels, std::int64_t kernel, std::int64_t stride) {
    const int y = conv(from, channels, kernel, stride, kernel / 2, false);
    const std::string name = "layer" + std::to_string(y) + ".norm";
    return graph_.add({Op::affine, {y}, name + ".weight", name + ".bias"});
  }

  int relu(int from) { return graph_.add({Op::relu, {from}}); }

  void max_pool(std::int64_t kernel, std::int64_t pad) {
    Node node{Op::max_pool, {x_}};
    node.kernel = cube(kernel, 1);
    node.stride = cube(2, 1);
    node.pad_before = node.pad_after = cube(pad, 0);
    x_ = graph_.add(node);
  }

  void average(const Dhw& extent) {
    Node node{Op::avg_pool, {x_}};
    node.stride = extent;
    x_ = graph_.add(node);
  }

  void basic_block(std::int64_t channels, std::int64_t stride, bool project) {
    const int skip = project ? conv_affine(x_, channels, 1, stride) : x_;
    const int y = conv_affine(relu(conv_affine(x_, channels, 3, stride)), channels, 3, 1);
    x_ = relu(graph_.add({Op::add, {y, skip}}));
  }

  void bottleneck(std::int64_t channels, std::int64_t stride, bool project) {
    const int skip = project ? conv_affine(x_, 4 * channels, 1, stride) : x_;
    int y = relu(conv_affine(x_, channels, 1, 1));
    y = relu(conv_affine(y, channels, 3, stride));
    y = conv_affine(y, 4 * channels, 1, 1);
    x_ = relu(graph_.add({Op::add, {y, skip}}));
  }

  int& x() { return x_; }
  Graph take() { return std::move(graph_); }

 private:
  Dhw cube(std::int64_t n, std::int64_t flat) const { return {flat_ ? flat : n, n, n}; }

  bool flat_;
  Graph graph_;
  int x_;
};

Graph resnet50() {
  Classifier net(true);
  net.x() = net.relu(net.conv_affine(net.x(), 64, 7, 2));
  net.max_pool(3, 1);
  const int blocks[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage)
    for (int b = 0; b < blocks[stage]; ++b) net.bottleneck(64 << stage, stage > 0 && b == 0 ? 2 : 1, b == 0);
  net.average({1, 7, 7});
  net.conv(net.x(), 1000, 1, 1, 0, true);
  return net.take();
}

Graph vgg16() {
  Classifier net(true);
  const std::vector<std::int64_t> stages[] = {{64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};
  for (const auto& stage : stages) {
    for (const std::int64_t channels : stage) net.x() = net.relu(net.conv(net.x(), channels, 3, 1, 1, true));
    net.max_pool(2, 0);
  }
  net.x() = net.relu(net.conv(net.x(), 4096, 7, 1, 0, true));
  net.x() = net.relu(net.conv(net.x(), 4096, 1, 1, 0, true));
  net.conv(net.x(), 1000, 1, 1, 0, true);
  return net.take();
}

Graph resnet18_3d() {
  Classifier net(false);
  net.x() = net.relu(net.conv_affine(net.x(), 64, 7, 2));
  net.max_pool(3, 1);
  for (int stage = 0; stage < 4; ++stage)
    for (int b = 0; b < 2; ++b) net.basic_block(64 << stage, stage > 0 && b == 0 ? 2 : 1, stage > 0 && b == 0);
  net.average({3, 3, 3});
  net.conv(net.x(), 2, 1, 1, 0, true);
  return net.take();
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

std::vector<Net> networks() {
  const std::vector<std::int64_t> plain = {32, 64, 128, 256, 320, 320};
  const engine::MeshNetConfig meshnet{1, 16, 3, {1, 2, 4, 8, 16, 8, 4, 2, 1}, Op::relu, false};
  return {{"unet64", conv_unet(3, plain, false, 3), {1, 1, 64, 64, 64}},
          {"unet128", conv_unet(3, plain, false, 3), {1, 1, 128, 128, 128}},
          {"resenc64", conv_unet(3, plain, true, 3), {1, 1, 64, 64, 64}},
          {"unet2d", conv_unet(2, {32, 64, 128, 256, 512}, false, 3), {1, 1, 1, 256, 256}},
          {"resnet50", resnet50(), {1, 3, 1, 224, 224}},
          {"vgg16", vgg16(), {1, 3, 1, 224, 224}},
          {"resnet18-3d", resnet18_3d(), {1, 1, 96, 96, 96}},
          {"meshnet", engine::build_meshnet(meshnet), {1, 1, 64, 64, 64}},
          {"blocks32", blocks(32), {1, 1, 64, 64, 64}},
          {"blocks128", blocks(128), {1, 1, 16, 16, 16}}};
}

}  // namespace oncotome::bench
