// SPDX-License-Identifier: Apache-2.0
// MONAI's networks against MONAI's own output; Testing/Golden/make_monai_fixtures.py tells how the files are made.
#include "oncotome/engine/monai.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/inference.h"
#include "oncotome/engine/safetensors.h"

namespace {

namespace fs = std::filesystem;
using namespace oncotome;
using namespace oncotome::engine;

const fs::path kFixtures = fs::path(ONCOTOME_FIXTURES) / "monai";

Tensor in_batch(const Weights& fixture, const std::string& name) {
  Tensor t = fixture.at(name);
  if (t.shape.size() == 4) t.shape.insert(t.shape.begin(), 1);
  return t;
}

void expect_equal(const Tensor& output, const Tensor& expected) {
  ASSERT_EQ(output.shape, expected.shape);
  double greatest = 0, difference = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    greatest = std::max(greatest, std::abs(static_cast<double>(expected.values[i])));
    difference = std::max(difference, std::abs(static_cast<double>(expected.values[i]) - output.values[i]));
  }
  EXPECT_LE(difference, 2e-5 * greatest);
}

TEST(MonaiNetworks, Each_gives_the_output_of_MONAI) {
  const Weights fixture = read_safetensors((kFixtures / "networks.safetensors").string());
  const auto backend = load_backend(Device::automatic, 2);
  for (const char* name : {"ct_unet", "mri_segresnet", "ct_dynunet", "mr_slices"}) {
    SCOPED_TRACE(name);
    const ModelPackage package = read_model_package((kFixtures / name).string());
    Weights weights = monai::read_weights(checked_weights_path(package));
    const Graph graph = monai::build_network(std::get<MonaiInference>(package.inference).network, weights);
    expect_equal(backend->compile(graph, weights)->run(in_batch(fixture, std::string(name) + ".input"), Job()),
                 in_batch(fixture, std::string(name) + ".output"));
  }
}

TEST(MonaiNetworks, What_fails_within_a_module_is_an_error_of_one_line) {
  const auto module = load_backend(Device::cpu, 1)->load_script((kFixtures / "ct_unet/models/model.ts").string());
  try {
    module->run(Tensor({1, 5, 8, 8, 8}), Job());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::backend_failed);
    EXPECT_NE(std::string(e.what()).find("channels"), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
  }
}

TEST(MonaiNetworks, Weights_that_lack_a_layer_are_refused_by_its_name) {
  const ModelPackage package = read_model_package((kFixtures / "ct_unet").string());
  Weights weights = monai::read_weights(checked_weights_path(package));
  weights.erase("model.1.submodule.0.conv.unit1.adn.N.running_var");
  try {
    monai::build_network(std::get<MonaiInference>(package.inference).network, weights);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::weights_invalid);
    EXPECT_NE(std::string(e.what()).find("model.1.submodule.0.conv.unit1.adn.N.running_var"), std::string::npos);
  }
}

TEST(TorchScript, A_module_gives_the_output_of_PyTorch_each_time) {
  const Weights fixture = read_safetensors((kFixtures / "networks.safetensors").string());
  const auto module = load_backend(Device::automatic, 2)->load_script((kFixtures / "ct_unet/models/model.ts").string());
  for (int run = 0; run < 3; ++run)
    expect_equal(module->run(in_batch(fixture, "ct_unet.input"), Job()), in_batch(fixture, "ct_unet.output"));
}

TEST(TorchScript, What_is_no_module_is_refused) {
  const auto backend = load_backend(Device::cpu, 1);
  for (const char* file : {"ct_unet/models/model.pt", "ct.nii.gz", "not there"}) {
    try {
      backend->load_script((kFixtures / file).string());
      ADD_FAILURE() << file;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::weights_invalid) << file;
    }
  }
}

TEST(TorchScript, A_package_of_a_module_and_a_small_json_runs) {
  const fs::path folder = fs::path(testing::TempDir()) / ("script-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  fs::copy_file(kFixtures / "ct_unet/models/model.ts", folder / "net.ts", fs::copy_options::overwrite_existing);
  nlohmann::json model = nlohmann::json::parse(std::ifstream(ONCOTOME_MODELS "/demo-brain-phantom/model.json"));
  model["weights"] = {{"file", "net.ts"}, {"sha256", sha256_hex_of_file((folder / "net.ts").string())}};
  model["input"] = {{"modality", "CT"}, {"region", model["input"]["region"]}, {"channels", {{{"name", "CT"}}}}};
  model["preparation"] = nlohmann::json::array();
  model["network"] = {{"architecture", "torchscript"},
                      {"out_channels", 3},
                      {"patch_size", {8, 12, 8}},
                      {"overlap", 0.5},
                      {"class_labels", {0, 2, 4}}};
  model["regions"] = nlohmann::json::array();
  std::ofstream(folder / "model.json") << model.dump();
  const Weights fixture = read_safetensors((kFixtures / "networks.safetensors").string());
  const Tensor &input = fixture.at("ct_unet.input"), &output = fixture.at("ct_unet.output");
  Geometry grid;
  grid.size = {8, 12, 8};
  const auto loaded = Model::load(read_model_package(folder.string()), Device::automatic, 2);
  const Segmentation result = segment(*loaded, {{grid, input.values.data()}}, {}, Job());
  const std::size_t count = grid.voxel_count();
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t best = 0;
    for (std::size_t k = 1; k < 3; ++k)
      if (output.values[k * count + i] > output.values[best * count + i]) best = k;
    wrong += result.labels.voxels[i] != 2 * best;
  }
  EXPECT_EQ(wrong, 0U);
  fs::remove_all(folder);
}

}  // namespace
