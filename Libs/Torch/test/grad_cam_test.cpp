// SPDX-License-Identifier: Apache-2.0
// Heat maps against pytorch-grad-cam's; Testing/Golden/make_grad_cam_fixtures.py tells how the file is made.
#include <gtest/gtest.h>

#include <cmath>

#include "oncotome/core/error.h"
#include "oncotome/engine/explanation.h"
#include "oncotome/engine/layer_names.h"
#include "oncotome/engine/safetensors.h"
#include "torchvision_cases.h"

namespace {

using namespace oncotome::engine;
using oncotome::Job;

const char* const kPath = ONCOTOME_FIXTURES "/grad_cam.safetensors";

void expect_map(const Tensor& found, const Tensor& want, const char* what) {
  ASSERT_EQ(found.values.size(), want.values.size()) << what;
  double difference = 0;
  for (std::size_t i = 0; i < want.values.size(); ++i)
    difference = std::max(difference, std::abs(static_cast<double>(found.values[i] - want.values[i])));
  testing::Test::RecordProperty(what, std::to_string(difference));
  EXPECT_LE(difference, 1e-4) << what;
}

class GradCam : public testing::TestWithParam<Case> {};

TEST_P(GradCam, Is_that_of_pytorch_grad_cam) {
  const Case& c = GetParam();
  static const Weights expected = read_safetensors(kPath);
  Weights weights = torchvision_weights(c);
  fit_network_weights(c.config, weights);
  const Graph graph = inference_graph(build_network(c.config), weights);
  const int logits = graph.output_nodes().back();
  const int layer = c.layer.empty() ? layer_before_head(graph, {c.config.in_channels, c.config.input_size}, logits)
                                    : find_layer(layer_names(graph), c.layer);
  const auto network = load_torch_backend(Device::cpu, 2)->compile(graph, weights);
  const auto derivative = network->differentiate(torchvision_input(c), {layer, {logits}}, Job());
  const Tensor cam = grad_cam(*derivative, layer, logits, c.target);
  expect_map(heat_map(cam, {cam.shape[2], cam.shape[3], cam.shape[4]}), expected.at(c.name + ".cam"), "cam");
  expect_map(heat_map(cam, c.config.input_size), expected.at(c.name + ".heat"), "heat");
}

INSTANTIATE_TEST_SUITE_P(All, GradCam, testing::ValuesIn(read_cases(kPath)),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
