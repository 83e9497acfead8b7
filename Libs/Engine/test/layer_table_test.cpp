// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/layer_table.h"

#include <gtest/gtest.h>

#include "oncotome/engine/networks.h"

namespace {

using namespace oncotome::engine;

std::vector<Layer> layers_of(const NetworkConfig& config) {
  return layer_table(build_network(config), {config.in_channels, config.input_size});
}

const Layer& find(const std::vector<Layer>& layers, const std::string& name) {
  for (const Layer& layer : layers)
    if (layer.name == name) return layer;
  ADD_FAILURE() << name;
  return layers.front();
}

// Parameters and multiply-adds that torchvision's documentation gives.
TEST(LayerTable, Counts_what_torchvision_counts) {
  struct Known {
    const char* name;
    std::int64_t parameters;
    double giga;
  };
  const Known known[] = {{"alexnet", 61100840, 0.71},   {"vgg16", 138357544, 15.47},    {"vgg16_bn", 138365992, 15.47},
                         {"vgg19", 143667240, 19.63},   {"vgg19_bn", 143678248, 19.63}, {"resnet18", 11689512, 1.81},
                         {"resnet34", 21797672, 3.66},  {"resnet50", 25557032, 4.09},   {"resnet101", 44549160, 7.80},
                         {"resnet152", 60192808, 11.51}};
  for (const auto& [name, parameters, giga] : known) {
    std::int64_t sum = 0;
    double operations = 0;
    for (const Layer& layer : layers_of({name, 2, 3, 1000})) {
      sum += layer.parameters;
      operations += layer.operations;
    }
    EXPECT_EQ(sum, parameters) << name;
    EXPECT_NEAR(operations / 2e9, giga, 0.0051) << name;
  }
}

// Receptive fields of doi 10.23915/distill.00021, whose ResNets have the stride in a bottleneck's first convolution.
TEST(LayerTable, Has_the_receptive_fields_that_are_published) {
  const auto last_pool = [](const std::vector<Layer>& layers) {
    Layer last;
    for (const Layer& layer : layers)
      if (std::string(layer.type) == "max_pool") last = layer;
    return last;
  };
  EXPECT_EQ(last_pool(layers_of({"alexnet", 2, 3, 1000})).receptive_field[1], 195);
  const Layer vgg = last_pool(layers_of({"vgg16", 2, 3, 1000}));
  EXPECT_EQ(vgg.receptive_field, (std::array<double, 3>{1, 212, 212}));
  EXPECT_EQ(vgg.jump, (std::array<double, 3>{1, 32, 32}));

  Graph resnet = build_network({"resnet50", 2, 3, 1000});
  const auto field = [&] { return find(layer_table(resnet, {3, {1, 224, 224}}), "layer4.2.bn3").receptive_field[2]; };
  EXPECT_EQ(field(), 427);
  Node* first = nullptr;
  for (Node& node : resnet.nodes) {
    if (node.weight.find(".conv1.") != std::string::npos) first = &node;
    if (node.weight.find(".conv2.") != std::string::npos) std::swap(node.stride, first->stride);
  }
  EXPECT_EQ(field(), 483);
}

// A transposed convolution reads one voxel, so the way up adds what its convolutions do; a skip sees less.
TEST(LayerTable, Follows_a_unet_up_again) {
  const auto layers = layers_of({"unet_classifier", 3, 2, 5, 3, {16, 16, 32}, {4, 8}});
  EXPECT_EQ(find(layers, "encoder.1.1.conv").receptive_field, (std::array<double, 3>{11, 11, 11}));
  EXPECT_EQ(find(layers, "encoder.1.1.conv").jump[0], 2);
  const Layer& up = find(layers, "decoder.0.up");
  EXPECT_EQ(up.receptive_field[0], 11);
  EXPECT_EQ(up.jump[0], 1);
  EXPECT_EQ(up.parameters, 8 * 4 * 8 + 4);
  EXPECT_EQ(up.operations, 2.0 * 8 * 4 * 8 * 8 * 8 * 16);
  const Layer& head = find(layers, "head");
  EXPECT_EQ(head.receptive_field[0], 15);
  EXPECT_EQ(head.out.extent, (Dhw{16, 16, 32}));
  EXPECT_EQ(head.out.channels, 3);
  EXPECT_EQ(find(layers, "fc").receptive_field[2], 11 + 2 * 15);
}

TEST(LayerTable, Knows_dilation) {
  const auto layers =
      layer_table(build_meshnet({1, 5, 3, {1, 2, 4, 8, 16, 8, 4, 2, 1}, Op::relu, false}), {1, {256, 256, 256}});
  EXPECT_EQ(layers.back().receptive_field[0], 1 + 2 * (1 + 2 + 4 + 8 + 16 + 8 + 4 + 2 + 1));
}

}  // namespace
