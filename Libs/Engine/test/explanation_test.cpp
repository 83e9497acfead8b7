// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/explanation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "oncotome/core/error.h"
#include "oncotome/engine/layer_names.h"

namespace {

using namespace oncotome::engine;
using oncotome::Error;
using oncotome::ErrorCode;

std::vector<std::string> names_of(const NetworkConfig& config) { return layer_names(build_network(config)); }

TEST(LayerNames, Are_those_of_torchvision_where_it_has_some) {
  const std::vector<std::string> names = names_of({"resnet18", 2, 3, 5, 0, {1, 64, 64}});
  const std::vector<std::string> first(names.begin(), names.begin() + 6);
  EXPECT_EQ(first, (std::vector<std::string>{"input", "conv1", "bn1", "bn1.relu", "bn1.max_pool", "layer1.0.conv1"}));
  const std::vector<std::string> last(names.end() - 5, names.end());
  EXPECT_EQ(last, (std::vector<std::string>{"layer4.1.bn2", "layer4.1.bn2.add", "layer4.1.bn2.relu", "avgpool", "fc"}));
}

TEST(LayerNames, Differ_from_each_other) {
  for (const std::string& network : network_names()) {
    const auto names = names_of({network, 2, 3, 4, 0, {1, 96, 96}, {4, 8}});
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size()) << network;
  }
  Graph graph;
  graph.add({});
  for (int i = 0; i < 3; ++i) graph.add({Op::relu, {i}});
  EXPECT_EQ(layer_names(graph), (std::vector<std::string>{"input", "input.relu", "input.relu_2", "input.relu_3"}));
}

TEST(LayerNames, A_module_is_its_last_layer) {
  const std::vector<std::string> names = names_of({"vgg16", 2, 3, 5, 0, {1, 64, 64}});
  const auto found = [&](const std::string& name) { return names[static_cast<std::size_t>(find_layer(names, name))]; };
  EXPECT_EQ(found("features.28"), "features.28");
  EXPECT_EQ(found("features.26.relu"), "features.26.relu");
  EXPECT_EQ(found("features"), "features.28.max_pool");
  EXPECT_EQ(found("classifier"), "classifier.6");
  try {
    find_layer(names, "layer9");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::usage);
    EXPECT_NE(std::string(e.what()).find("it has input, features, avgpool, classifier,"), std::string::npos);
  }
}

TEST(LayerNames, The_layer_before_the_head_is_the_last_that_has_places) {
  const auto before_head = [](const NetworkConfig& config) {
    const Graph graph = build_network(config);
    const int layer = layer_before_head(graph, {config.in_channels, config.input_size}, graph.output_nodes().back());
    return layer_names(graph)[static_cast<std::size_t>(layer)];
  };
  EXPECT_EQ(before_head({"resnet50", 2, 3, 5, 0, {1, 64, 64}}), "layer4.2.bn3.relu");
  EXPECT_EQ(before_head({"vgg16", 2, 3, 5, 0, {1, 224, 224}}), "features.28.max_pool");
  EXPECT_EQ(before_head({"alexnet", 2, 3, 5, 0, {1, 224, 224}}), "features.10.max_pool");
  EXPECT_EQ(before_head({"lenet5", 2, 1, 5, 0, {1, 32, 32}}), "conv2.max_pool");
  EXPECT_EQ(before_head({"unet_classifier", 3, 1, 2, 2, {16, 16, 16}, {4, 8}}), "encoder.1.1.norm.relu");
  EXPECT_EQ(before_head({"unet_classifier", 2, 1, 2, 2, {1, 32, 32}, {4, 6, 8, 8}, false, true}),
            "decoder.0.1.norm.relu");
}

/// Two channels of two voxels, whose derivatives have the means 2 and -1.
class Known final : public Derivative {
 public:
  Tensor value(int node) const override {
    if (node == 1) return Tensor({1, 3, 1, 1, 1});
    Tensor features({1, 2, 1, 1, 2});
    features.values = {1, 3, 1, 10};
    return features;
  }
  Tensor gradient(int node, const Tensor& weights) const override {
    EXPECT_EQ(node, 1);
    EXPECT_EQ(weights.values, (std::vector<float>{0, 0, 1}));
    Tensor slopes({1, 2, 1, 1, 2});
    slopes.values = {4, 0, -3, 1};
    return slopes;
  }
};

TEST(GradCam, Weighs_channels_by_mean_derivatives_and_drops_what_is_below_zero) {
  const Tensor cam = grad_cam(Known(), 0, 1, 2);
  EXPECT_EQ(cam.shape, (std::vector<std::int64_t>{1, 1, 1, 1, 2}));
  EXPECT_EQ(cam.values, (std::vector<float>{2 * 1 - 1, 0}));
}

TEST(GradCam, A_heat_map_goes_from_0_to_1) {
  Tensor cam({1, 1, 1, 1, 2});
  cam.values = {3, 7};
  const Tensor map = heat_map(cam, {1, 1, 4});
  const std::vector<float> want{0, 0.25F, 0.75F, 1};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(map.values[i], want[i], 1e-6);
  cam.values = {5, 5};
  EXPECT_EQ(heat_map(cam, {1, 1, 3}).values, std::vector<float>(3, 0));
}

}  // namespace
