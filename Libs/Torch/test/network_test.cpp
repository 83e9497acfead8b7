// SPDX-License-Identifier: Apache-2.0
// Networks against independent implementations; Testing/Golden/make_network_fixtures.py and make_conv_unet_fixtures.py
// tell how the files are made.
#include "oncotome/engine/networks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "nnunet/plans.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/backend.h"
#include "oncotome/engine/safetensors.h"

namespace {

using namespace oncotome::engine;

bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

std::string path_of(const std::string& name) { return std::string(ONCOTOME_FIXTURES) + "/" + name + ".safetensors"; }

nlohmann::json metadata_of(const std::string& name) {
  std::ifstream file(path_of(name), std::ios::binary);
  std::uint64_t size = 0;
  file.read(reinterpret_cast<char*>(&size), 8);
  std::string header(size, ' ');
  file.read(header.data(), static_cast<std::streamsize>(size));
  return nlohmann::json::parse(header).at("__metadata__");
}

// The fixtures' weights are a formula, so that none need storing.
Weights formula_weights(const std::string& name) {
  const auto shapes = nlohmann::json::parse(metadata_of(name).at("weights").get<std::string>());
  Weights weights;
  std::uint64_t n = 0;
  for (const auto& [key, value] : shapes.items()) {
    Tensor t(value.get<std::vector<std::int64_t>>());
    const bool deconv = ends_with(key, "deconv_.w"), kernel = ends_with(key, ".w");
    const bool up = ends_with(key, ".up.weight") || key.find(".transpconvs.") != std::string::npos;
    const std::int64_t out = deconv ? t.shape[3] : kernel ? t.shape.back() : up ? t.shape[1] : t.shape[0];
    const double scale = 2 / std::sqrt(static_cast<double>(t.values.size()) / static_cast<double>(out));
    for (float& v : t.values) {
      const double u = static_cast<double>(n++ * 2654435761U % 4294967296U) / 4294967296.0 - 0.5;
      if (ends_with(key, ".gamma") || ends_with(key, ".norm.weight") || ends_with(key, ".running_var"))
        v = static_cast<float>(1 + u);
      else if (ends_with(key, ".beta") || ends_with(key, ".bias") || ends_with(key, ".running_mean"))
        v = static_cast<float>(u);
      else if (ends_with(key, ".alpha"))
        v = static_cast<float>(0.25 + 0.5 * u);
      else
        v = static_cast<float>(u * scale);
    }
    weights.emplace(key, std::move(t));
  }
  return weights;
}

void expect_output(const std::string& name, const Graph& graph, const Weights& weights, double tolerance = 2e-5) {
  const Weights fixture = read_safetensors(path_of(name));
  const auto backend = load_backend(Device::automatic, 2);
  const auto in_batch = [&](const char* tensor) {
    Tensor t = fixture.at(tensor);
    t.shape.insert(t.shape.begin(), 1);
    return t;
  };
  const Tensor output = backend->compile(graph, weights)->run(in_batch("input"), oncotome::Job());
  const Tensor expected = in_batch("output");
  ASSERT_EQ(output.shape, expected.shape);
  double greatest = 0, difference = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    greatest = std::max(greatest, std::abs(static_cast<double>(expected.values[i])));
    difference = std::max(difference, std::abs(static_cast<double>(expected.values[i]) - output.values[i]));
  }
  testing::Test::RecordProperty("relative_difference", std::to_string(difference / greatest));
  EXPECT_LE(difference, tolerance * greatest);
}

TEST(Networks, Msnet_with_two_downsamplings_gives_the_output_of_an_independent_implementation) {
  Weights weights = formula_weights("msnet_wt");
  EXPECT_TRUE(convert_msnet_weights(weights));
  expect_output("msnet_wt", build_msnet(true), weights);
}

TEST(Networks, Msnet_with_one_downsampling_gives_the_output_of_an_independent_implementation) {
  Weights weights = formula_weights("msnet_en");
  EXPECT_FALSE(convert_msnet_weights(weights));
  expect_output("msnet_en", build_msnet(false), weights);
}

TEST(Networks, The_unet_gives_the_output_of_an_independent_implementation_in_3d) {
  const UNetConfig config{3, 2, 3, {4, 8, 12}, 2};
  Weights weights = formula_weights("unet");
  fit_unet_weights(config, weights);
  expect_output("unet", build_unet(config), weights);
}

TEST(Networks, The_unet_gives_the_output_of_an_independent_implementation_in_2d) {
  const UNetConfig config{2, 2, 3, {4, 8, 12}, 2};
  Weights weights = formula_weights("unet2d");
  fit_unet_weights(config, weights);
  expect_output("unet2d", build_unet(config), weights);
}

TEST(Networks, The_meshnet_gives_the_output_of_an_independent_implementation) {
  const std::pair<const char*, Op> kinds[] = {
      {"meshnet_relu", Op::relu}, {"meshnet_elu", Op::elu}, {"meshnet_gelu", Op::gelu}};
  for (const auto& [name, activation] : kinds) {
    SCOPED_TRACE(name);
    MeshNetConfig config{1, 9, 3, {1, 3, 2}, activation, activation == Op::gelu};
    Weights weights = formula_weights(name);
    expect_output(name, build_meshnet(config), weights);
    fit_meshnet_weights(config, weights);
    EXPECT_EQ(config.channels, 16);
    expect_output(name, build_meshnet(config), weights);
  }
}

// Of falling numbers below zero the greatest of a window is its first; zeros beyond the edge would be greater.
TEST(Networks, A_maximum_is_of_the_voxels_that_there_are) {
  Graph graph;
  Node pool{Op::max_pool, {graph.add({})}};
  pool.kernel = {1, 3, 3};
  pool.stride = {1, 2, 2};
  pool.pad_before = pool.pad_after = {0, 1, 1};
  graph.add(pool);
  check_weights(graph, {}, 2);
  Tensor input({1, 2, 2, 5, 6}), expected({1, 2, 2, 3, 3});
  for (std::size_t i = 0; i < input.values.size(); ++i) input.values[i] = -1.0F - static_cast<float>(i);
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const std::size_t x = i % 3, y = i / 3 % 3, slice = i / 9;
    const std::size_t first = slice * 30 + (y == 0 ? 0 : 2 * y - 1) * 6 + (x == 0 ? 0 : 2 * x - 1);
    expected.values[i] = -1.0F - static_cast<float>(first);
  }
  const Tensor output = load_backend(Device::automatic, 2)->compile(graph, {})->run(input, oncotome::Job());
  EXPECT_EQ(output.shape, expected.shape);
  EXPECT_EQ(output.values, expected.values);
}

// The refusal of weights; must name the one that does not fit.
template <class Fit>
void expect_refusal(const std::string& name, Fit&& fit) {
  try {
    fit();
    FAIL() << name;
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), oncotome::ErrorCode::weights_invalid);
    EXPECT_NE(std::string(e.what()).find("'" + name + "'"), std::string::npos) << e.what();
  }
}

TEST(Networks, A_weight_that_does_not_fit_is_named) {
  const UNetConfig config{3, 2, 3, {4, 8, 12}, 2};
  const auto with = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    Weights weights = formula_weights("unet");
    weights.at(name) = Tensor(shape);
    expect_refusal(name, [&] { fit_unet_weights(config, weights); });
  };
  with("decoder.0.0.conv.weight", {8, 17, 3, 3, 3});
  with("decoder.0.0.conv.weight", {8, 16, 3, 3, 5});
  with("decoder.0.up.weight", {12, 8, 2, 2, 1});
  with("head.weight", {4, 4, 1, 1, 1});
}

ConvUNetConfig conv_unet_config(const std::string& name) {
  const nlohmann::json metadata = metadata_of(name);
  const auto json = [&](const char* key) { return nlohmann::ordered_json::parse(metadata.at(key).get<std::string>()); };
  const nnunet::Plans plans = nnunet::read_plans(json("plans"), json("dataset"));
  ConvUNetConfig config = nnunet::read_configuration(json("plans"), plans, "toy").network;
  const auto traits = nnunet::trainer_traits(metadata.at("trainer").get<std::string>());
  EXPECT_EQ(traits.doubt, "");
  config.batch_norm = config.batch_norm || traits.batch_norm;
  return config;
}

class ConvUNet : public testing::TestWithParam<const char*> {
 protected:
  const std::string name_ = std::string("conv_unet_") + GetParam();
  const ConvUNetConfig config_ = conv_unet_config(name_);
  Weights weights_ = formula_weights(name_);
};

TEST_P(ConvUNet, Gives_the_output_of_nnunets_own_network) {
  fit_conv_unet_weights(config_, weights_);
  expect_output(name_, build_conv_unet(config_), weights_, 1e-5);
}

// As PyTorch saves it: from a compiled network on several devices, each layer by each of its names.
TEST_P(ConvUNet, Takes_its_weights_by_every_name_that_they_have) {
  Weights aliased;
  for (const auto& [name, tensor] : weights_) {
    std::string listed = name;
    const std::pair<const char*, const char*> lists[] = {{".conv.", ".all_modules.0."}, {".norm.", ".all_modules.1."}};
    for (const auto& [own, in_list] : lists)
      if (const auto at = listed.find(own); at != std::string::npos) listed.replace(at, 6, in_list);
    aliased["module._orig_mod." + listed] = tensor;
    if (name.rfind("encoder.", 0) == 0) aliased["module._orig_mod.decoder." + name] = tensor;
    if (name.rfind("encoder.", 0) == 0) aliased["module._orig_mod.decoder." + listed] = tensor;
  }
  Weights differing = aliased;
  const std::string first = aliased.begin()->first;
  differing.at(first).values[0] += 1;
  fit_conv_unet_weights(config_, aliased);
  expect_output(name_, build_conv_unet(config_), aliased, 1e-5);
  try {
    fit_conv_unet_weights(config_, differing);
    FAIL();
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), oncotome::ErrorCode::weights_invalid);
  }
}

TEST_P(ConvUNet, Refuses_any_weight_that_is_absent_or_of_another_shape) {
  const std::size_t stages = config_.features.size();
  for (const auto& [name, tensor] : formula_weights(name_)) {
    if (name.find("seg_layers") != std::string::npos && name.find("." + std::to_string(stages - 2) + ".") == name.npos)
      continue;
    Weights without = weights_;
    without.erase(name);
    expect_refusal(name, [&] { fit_conv_unet_weights(config_, without); });
    for (std::size_t axis = 0; axis < tensor.shape.size() && tensor.shape.size() > 1; ++axis) {
      Weights other = weights_;
      auto shape = tensor.shape;
      shape[axis] += 2;
      other.at(name) = Tensor(shape);
      expect_refusal(name, [&] { fit_conv_unet_weights(config_, other); });
    }
  }
  weights_["encoder.stages.0.attention.weight"] = Tensor({4});
  expect_refusal("encoder.stages.0.attention.weight", [&] { fit_conv_unet_weights(config_, weights_); });
}

INSTANTIATE_TEST_SUITE_P(Fixtures, ConvUNet,
                         testing::Values("anisotropic", "2d_old", "residual", "residual_2d", "batch_norm",
                                         "activation_first"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(ConvUNetConfig, What_makes_no_network_is_refused) {
  const ConvUNetConfig good = conv_unet_config("conv_unet_residual");
  const std::vector<void (*)(ConvUNetConfig&)> faults{
      [](ConvUNetConfig& c) { c.dimensions = 4; },          [](ConvUNetConfig& c) { c.dimensions = 2; },
      [](ConvUNetConfig& c) { c.in_channels = 0; },         [](ConvUNetConfig& c) { c.out_channels = 5000; },
      [](ConvUNetConfig& c) { c.features.pop_back(); },     [](ConvUNetConfig& c) { c.features[1] = 0; },
      [](ConvUNetConfig& c) { c.kernel_sizes[1][2] = 2; },  [](ConvUNetConfig& c) { c.strides[0][2] = 2; },
      [](ConvUNetConfig& c) { c.strides[1][2] = 0; },       [](ConvUNetConfig& c) { c.encoder_convs[1] = 0; },
      [](ConvUNetConfig& c) { c.decoder_convs[1] = 65; },   [](ConvUNetConfig& c) { c.stem_channels = -1; },
      [](ConvUNetConfig& c) { c.activation_first = true; }, [](ConvUNetConfig& c) { c.epsilon = 0; },
      [](ConvUNetConfig& c) { c.leaky_slope = 2; },
  };
  for (std::size_t i = 0; i < faults.size(); ++i) {
    ConvUNetConfig config = good;
    faults[i](config);
    try {
      build_conv_unet(config);
      ADD_FAILURE() << i;
    } catch (const oncotome::Error& e) {
      EXPECT_EQ(e.code(), oncotome::ErrorCode::model_invalid) << i;
    }
  }
}

TEST(Backend, A_cancelled_job_stops_the_network) {
  const UNetConfig config{3, 2, 3, {4, 8, 12}, 2};
  Weights weights = formula_weights("unet");
  fit_unet_weights(config, weights);
  const auto net = load_backend(Device::cpu, 1)->compile(build_unet(config), weights);
  oncotome::Job job;
  job.cancel();
  Tensor input = read_safetensors(path_of("unet")).at("input");
  if (input.shape.size() == 4) input.shape.insert(input.shape.begin(), 1);
  try {
    net->run(input, job);
    FAIL();
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), oncotome::ErrorCode::cancelled);
  }
}

TEST(Backend, What_a_later_node_needs_is_not_changed_in_place) {
  Graph graph;
  const auto add = [&](Op op, std::vector<int> inputs) {
    Node node;
    node.op = op;
    node.inputs = std::move(inputs);
    return graph.add(node);
  };
  const int x = add(Op::input, {});
  const int shifted = add(Op::add, {x, x});
  const int cut = add(Op::relu, {shifted});
  add(Op::add, {cut, shifted});
  Tensor input({1, 1, 1, 1, 2});
  input.values = {-1, 2};
  const Tensor output = load_backend(Device::cpu, 1)->compile(graph, {})->run(input, oncotome::Job());
  EXPECT_EQ(output.values, (std::vector<float>{-2, 8}));
  EXPECT_EQ(input.values, (std::vector<float>{-1, 2}));
}

}  // namespace
