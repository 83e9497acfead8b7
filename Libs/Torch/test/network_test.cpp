// SPDX-License-Identifier: Apache-2.0
// Networks against an independent implementation; Testing/Golden/make_network_fixtures.py tells how the files are made.
#include "oncotome/engine/networks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "oncotome/engine/backend.h"
#include "oncotome/engine/safetensors.h"

namespace {

using namespace oncotome::engine;

bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

std::string path_of(const std::string& name) { return std::string(ONCOTOME_FIXTURES) + "/" + name + ".safetensors"; }

// The fixtures' weights are a formula, so that none need storing.
Weights formula_weights(const std::string& name) {
  std::ifstream file(path_of(name), std::ios::binary);
  std::uint64_t size = 0;
  file.read(reinterpret_cast<char*>(&size), 8);
  std::string header(size, ' ');
  file.read(header.data(), static_cast<std::streamsize>(size));
  const auto shapes =
      nlohmann::json::parse(nlohmann::json::parse(header).at("__metadata__").at("weights").get<std::string>());
  Weights weights;
  std::uint64_t n = 0;
  for (const auto& [key, value] : shapes.items()) {
    Tensor t(value.get<std::vector<std::int64_t>>());
    const bool deconv = ends_with(key, "deconv_.w"), kernel = ends_with(key, ".w");
    const std::int64_t out = deconv                         ? t.shape[3]
                             : kernel                       ? t.shape.back()
                             : ends_with(key, ".up.weight") ? t.shape[1]
                                                            : t.shape[0];
    const double scale = 2 / std::sqrt(static_cast<double>(t.values.size()) / static_cast<double>(out));
    for (float& v : t.values) {
      const double u = static_cast<double>(n++ * 2654435761U % 4294967296U) / 4294967296.0 - 0.5;
      if (ends_with(key, ".gamma") || ends_with(key, ".norm.weight"))
        v = static_cast<float>(1 + u);
      else if (ends_with(key, ".beta") || ends_with(key, ".bias"))
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

void expect_output(const std::string& name, const Graph& graph, const Weights& weights) {
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
  EXPECT_LE(difference, 2e-5 * greatest);
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

TEST(Networks, A_weight_that_does_not_fit_is_named) {
  const UNetConfig config{3, 2, 3, {4, 8, 12}, 2};
  Weights weights = formula_weights("unet");
  weights.at("decoder.0.0.conv.weight").shape[1] += 1;
  try {
    fit_unet_weights(config, weights);
    FAIL();
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), oncotome::ErrorCode::weights_invalid);
    EXPECT_NE(std::string(e.what()).find("decoder.0.0.conv.weight"), std::string::npos);
  }
}

TEST(Backend, A_cancelled_job_stops_the_network) {
  const UNetConfig config{3, 2, 3, {4, 8, 12}, 2};
  Weights weights = formula_weights("unet");
  fit_unet_weights(config, weights);
  const auto net = load_backend(Device::cpu, 1)->compile(build_unet(config), weights);
  oncotome::Job job;
  job.cancel();
  EXPECT_THROW(net->run(read_safetensors(path_of("unet")).at("input"), job), oncotome::Error);
}

}  // namespace
