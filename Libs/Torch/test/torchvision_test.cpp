// SPDX-License-Identifier: Apache-2.0
// Networks against torchvision's; Testing/Golden/make_torchvision_fixtures.py tells how the file is made.
#include <gtest/gtest.h>

#include <cmath>

#include "native/backend.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/backend.h"
#include "oncotome/engine/safetensors.h"
#include "torchvision_cases.h"

namespace {

using namespace oncotome::engine;
using oncotome::Error;
using oncotome::ErrorCode;
using oncotome::Job;

const char* const kPath = ONCOTOME_FIXTURES "/torchvision.safetensors";

void expect_outputs(const std::string& name, const std::vector<Tensor>& outputs, const NetworkConfig& config) {
  static const Weights expected = read_safetensors(kPath);
  std::vector<std::string> heads;
  if (config.labels > 0) heads.push_back(".labels");
  if (config.classes > 0) heads.push_back(".classes");
  ASSERT_EQ(outputs.size(), heads.size());
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const Tensor& want = expected.at(name + heads[i]);
    ASSERT_EQ(outputs[i].values.size(), want.values.size());
    EXPECT_EQ(outputs[i].shape[1], want.shape[1]);
    EXPECT_EQ(outputs[i].shape.size(), 5);
    double greatest = 0, difference = 0;
    for (std::size_t v = 0; v < want.values.size(); ++v) {
      greatest = std::max(greatest, std::abs(static_cast<double>(want.values[v])));
      difference = std::max(difference, std::abs(static_cast<double>(want.values[v] - outputs[i].values[v])));
    }
    testing::Test::RecordProperty("relative_difference" + heads[i], std::to_string(difference / greatest));
    EXPECT_LE(difference, 1e-5 * greatest) << heads[i];
  }
}

class Torchvision : public testing::TestWithParam<Case> {};

TEST_P(Torchvision, Gives_the_same_output_for_its_own_weights) {
  const Case& c = GetParam();
  Weights weights = torchvision_weights(c);
  fit_network_weights(c.config, weights);
  const Graph graph = inference_graph(build_network(c.config), weights);
  const Tensor input = torchvision_input(c);
  for (const bool native : {true, false}) {
    SCOPED_TRACE(native ? "native" : "LibTorch");
    const auto backend =
        native ? native::make_backend({Precision::f32, nullptr, 2}) : load_torch_backend(Device::cpu, 2);
    const auto network = backend->compile(graph, weights);
    expect_outputs(c.name, network->run_all(input, Job()), c.config);
    EXPECT_EQ(network->notes().torch_nodes, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Torchvision, testing::ValuesIn(read_cases(kPath)),
                         [](const auto& kind) { return kind.param.name; });

TEST(Networks, Start_with_weights_that_fit_and_follow_from_the_seed) {
  const std::pair<const char*, const char*> kernels[] = {{"lenet5", "conv1.weight"},
                                                         {"resnet18", "layer1.0.conv1.weight"},
                                                         {"resnet50", "fc.weight"},
                                                         {"unet_classifier", "decoder.0.up.weight"}};
  for (const auto& [name, kernel] : kernels) {
    const std::int64_t labels = std::string(name) == "unet_classifier" ? 2 : 0;
    const NetworkConfig config{name, 2, 2, 3, labels, {1, 64, 64}, {4, 6}};
    Weights weights = initial_weights(config, 7);
    fit_network_weights(config, weights);
    EXPECT_EQ(weights.at(kernel).values, initial_weights(config, 7).at(kernel).values);
    EXPECT_NE(weights.at(kernel).values, initial_weights(config, 8).at(kernel).values);
  }
}

TEST(Networks, Start_with_the_variance_of_He) {
  const Weights weights = initial_weights({"resnet18", 2, 3, 5}, 1);
  const Tensor& kernel = weights.at("layer2.0.conv2.weight");
  double squares = 0;
  for (const float v : kernel.values) squares += static_cast<double>(v) * static_cast<double>(v);
  EXPECT_NEAR(squares / static_cast<double>(kernel.values.size()), 2.0 / (128 * 9), 2e-5);
  EXPECT_EQ(weights.at("layer2.0.bn2.running_var").values, std::vector<float>(128, 1));
  EXPECT_EQ(weights.at("layer2.0.bn2.running_mean").values, std::vector<float>(128, 0));
}

template <class F>
void expect_error(ErrorCode code, const std::string& part, F&& f) {
  try {
    f();
    ADD_FAILURE() << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Networks, A_weight_that_is_absent_or_too_much_or_of_another_shape_is_named) {
  const NetworkConfig config{"resnet18", 2, 3, 5, 0, {1, 32, 32}};
  const Weights good = initial_weights(config, 1);
  const auto refuses = [&](const std::string& name, const auto& change) {
    Weights weights = good;
    change(weights);
    expect_error(ErrorCode::weights_invalid, "'" + name + "'", [&] { fit_network_weights(config, weights); });
  };
  for (const char* name :
       {"conv1.weight", "bn1.running_mean", "layer2.0.downsample.1.running_var", "layer4.1.bn2.bias", "fc.bias"}) {
    refuses(name, [&](Weights& w) { w.erase(name); });
    refuses(name, [&](Weights& w) {
      auto shape = w.at(name).shape;
      ++shape[0];
      w.at(name) = Tensor(shape);
    });
  }
  refuses("fc.weight", [](Weights& w) { w.at("fc.weight") = Tensor({5, 511}); });
  refuses("conv1.weight", [](Weights& w) { w.at("conv1.weight") = Tensor({64, 3, 7, 5}); });
  refuses("fc2.weight", [](Weights& w) { w["fc2.weight"] = Tensor({2, 2}); });
}

TEST(Networks, A_configuration_that_makes_none_is_refused) {
  const NetworkConfig unet{"unet_classifier", 2, 1, 2, 2, {1, 32, 32}, {4, 8}};
  build_network(unet);
  const auto refuses = [](NetworkConfig config, const char* part, ErrorCode code = ErrorCode::model_invalid) {
    expect_error(code, part, [&] { build_network(config); });
  };
  refuses({"resnet51", 2, 3, 5}, "lenet5", ErrorCode::model_unsupported);
  refuses({"resnet50", 2, 3, 0}, "classes");
  refuses({"resnet50", 2, 3, 5, 2}, "labels");
  refuses({"resnet50", 2, 0, 5}, "channels");
  refuses({"resnet50", 2, 3, 5, 0, {2, 64, 64}}, "input_size");
  refuses({"vgg16", 3, 3, 5, 0, {64, 64, 64}}, "dimensions");
  refuses({"alexnet", 2, 3, 5, 0, {1, 32, 32}}, "nothing is left");
  refuses({"unet_classifier", 2, 1, 0, 0, {1, 32, 32}, {4, 8}}, "classes or labels");
  refuses({"unet_classifier", 2, 1, 0, 2, {1, 32, 32}, {4}}, "stages");
  refuses({"unet_classifier", 2, 1, 0, 2, {1, 32, 33}, {4, 8}}, "extent");
  refuses({"unet_classifier", 2, 1, 0, 2, {1, 32, 32}, {4, 8, 8, 8}, false, true}, "lesion pooling");
  refuses({"unet_classifier", 2, 1, 2, 2, {1, 32, 32}, {4, 8}, false, true}, "4 stages");
}

TEST(Networks, Have_names_and_can_be_built_by_them) {
  EXPECT_EQ(network_names().size(), 12);
  for (const std::string& name : network_names())
    EXPECT_FALSE(build_network({name, 2, 3, 4, 0, {1, 96, 96}, {4, 8}}).nodes.empty());
}

// Cells that overlap, are a voxel each, repeat voxels; against sums over the definition.
TEST(Networks, An_adaptive_mean_is_of_the_voxels_that_PyTorch_takes) {
  for (const Dhw& cells : {Dhw{1, 1, 1}, Dhw{2, 3, 7}, Dhw{4, 5, 6}, Dhw{3, 7, 4}}) {
    Graph graph;
    Node mean{Op::adaptive_avg_pool, {graph.add({})}};
    mean.kernel = cells;
    graph.add(mean);
    const Tensor input = formula("input", {2, 18, 4, 5, 6});
    const Tensor want = load_torch_backend(Device::cpu, 2)->compile(graph, {})->run(input, Job());
    const Tensor output =
        native::make_backend({Precision::f32, nullptr, 2, true})->compile(graph, {})->run(input, Job());
    ASSERT_EQ(output.shape, want.shape);
    for (std::size_t i = 0; i < want.values.size(); ++i) EXPECT_NEAR(output.values[i], want.values[i], 1e-6);
  }
}

TEST(Networks, Several_outputs_may_be_read_by_others_too) {
  Graph graph;
  const int x = graph.add({});
  const int cut = graph.add({Op::relu, {x}});
  const int twice = graph.add({Op::add, {cut, cut}});
  const int shares = graph.add({Op::softmax, {twice}});
  graph.add({Op::add, {shares, cut}});
  graph.outputs = {shares, cut, x, twice};
  Tensor input({2, 2, 1, 1, 1});
  input.values = {-1, 2, 3, -4};
  for (const bool native : {true, false}) {
    const auto backend =
        native ? native::make_backend({Precision::f32, nullptr, 1, true}) : load_torch_backend(Device::cpu, 1);
    const auto outputs = backend->compile(graph, {})->run_all(input, Job());
    ASSERT_EQ(outputs.size(), 4);
    EXPECT_NEAR(outputs[0].values[1], 1 / (1 + std::exp(-4.0)), 1e-6);
    EXPECT_EQ(outputs[1].values, (std::vector<float>{0, 2, 3, 0}));
    EXPECT_EQ(outputs[2].values, input.values);
    EXPECT_EQ(outputs[3].values, (std::vector<float>{0, 4, 6, 0}));
  }
}

TEST(Networks, What_only_training_knows_is_refused_by_backends) {
  const NetworkConfig config{"unet_classifier", 2, 1, 2, 0, {1, 8, 8}, {4, 8}};
  const Weights weights = initial_weights(config, 1);
  for (const bool native : {true, false}) {
    const auto backend = native ? native::make_backend({}) : load_torch_backend(Device::cpu, 1);
    expect_error(ErrorCode::internal, "training", [&] {
      backend->compile(build_network(config), weights)->run(formula("input", {1, 1, 1, 8, 8}), Job());
    });
  }
}

}  // namespace
