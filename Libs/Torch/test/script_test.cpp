// SPDX-License-Identifier: Apache-2.0
// TorchScript modules as graphs against what PyTorch gives; Testing/Golden/make_script_fixtures.py tells how the files
// are made.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "oncotome/core/digest.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/safetensors.h"
#include "oncotome/engine/session.h"

namespace {

namespace fs = std::filesystem;
using namespace oncotome;
using namespace oncotome::engine;

const fs::path kScripts = fs::path(ONCOTOME_FIXTURES) / "scripts";

// Relative, in the Euclidean norm.
double distance(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape, b.shape);
  double difference = 0, whole = 0;
  for (std::size_t i = 0; i < b.values.size(); ++i) {
    difference += std::pow(static_cast<double>(a.values[i]) - b.values[i], 2);
    whole += std::pow(static_cast<double>(b.values[i]), 2);
  }
  return std::sqrt(difference / whole);
}

std::string path_of(const std::string& name) { return (kScripts / (name + ".ts")).string(); }

class LoweredScripts : public testing::TestWithParam<const char*> {};

TEST_P(LoweredScripts, Gives_the_output_of_PyTorch) {
  const std::string name = GetParam();
  const Weights fixture = read_safetensors((kScripts / "expected.safetensors").string());
  Tensor input = fixture.at(name + ".input"), expected = fixture.at(name + ".output");
  const auto backend = load_backend(Device::cpu, 2);
  const ScriptGraph script = backend->lower_script(path_of(name));
  ASSERT_EQ(script.obstacle, "");
  EXPECT_EQ(script.dimensions + 2U, input.shape.size());
  EXPECT_LE(distance(backend->load_script(path_of(name))->run(input, Job()), expected), 1e-5);
  if (script.dimensions == 2)
    for (Tensor* t : {&input, &expected}) t->shape.insert(t->shape.begin() + 2, 1);
  EXPECT_LE(distance(backend->compile(script.graph, script.weights)->run(input, Job()), expected), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(, LoweredScripts,
                         testing::Values("plain_unet", "plain_unet_traced", "residual_unet", "nested_2d",
                                         "nested_2d_traced", "mixed", "mixed_traced", "listed"),
                         [](const auto& each) { return std::string(each.param); });

TEST(LoweredScript, Gives_the_output_of_a_network_of_MONAI) {
  const fs::path folder = fs::path(ONCOTOME_FIXTURES) / "monai";
  const Weights fixture = read_safetensors((folder / "networks.safetensors").string());
  Tensor input = fixture.at("ct_unet.input"), expected = fixture.at("ct_unet.output");
  for (Tensor* t : {&input, &expected}) t->shape.insert(t->shape.begin(), 1);
  const auto backend = load_backend(Device::cpu, 2);
  const ScriptGraph script = backend->lower_script((folder / "ct_unet/models/model.ts").string());
  ASSERT_EQ(script.obstacle, "");
  EXPECT_LE(distance(backend->compile(script.graph, script.weights)->run(input, Job()), expected), 1e-5);
}

class ScriptAsItIs : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(ScriptAsItIs, Names_its_obstacle_and_runs) {
  const std::string name = GetParam().first;
  const Weights fixture = read_safetensors((kScripts / "expected.safetensors").string());
  const auto backend = load_backend(Device::cpu, 2);
  const ScriptGraph script = backend->lower_script(path_of(name));
  EXPECT_EQ(script.obstacle, GetParam().second);
  EXPECT_TRUE(script.graph.nodes.empty());
  EXPECT_LE(distance(backend->load_script(path_of(name))->run(fixture.at(name + ".input"), Job()),
                     fixture.at(name + ".output")),
            1e-5);
}

INSTANTIATE_TEST_SUITE_P(, ScriptAsItIs,
                         testing::Values(std::pair("unknown", "aten::sigmoid"), std::pair("branch", "prim::If"),
                                         std::pair("in_place", "aten::relu_ changes its input")),
                         [](const auto& each) { return std::string(each.param.first); });

// What keeps a module from being a graph when its code says `other` in place of `code`; spaces make up the length, for
// the offsets in the archive.
std::string obstacle_with(const std::string& name, const std::string& code, std::string other) {
  std::ostringstream bytes;
  bytes << std::ifstream(path_of(name), std::ios::binary).rdbuf();
  std::string module = bytes.str();
  const std::size_t at = module.find(code);
  EXPECT_NE(at, std::string::npos) << code;
  EXPECT_LE(other.size(), code.size());
  other.resize(code.size(), ' ');
  module.replace(at, code.size(), other);
  const fs::path path = fs::path(testing::TempDir()) / ("changed-" + std::to_string(::getpid()) + ".ts");
  std::ofstream(path, std::ios::binary) << module;
  std::string obstacle = load_backend(Device::cpu, 2)->lower_script(path.string()).obstacle;
  fs::remove(path);
  return obstacle;
}

TEST(TorchScript, Of_strides_that_no_image_has_or_thousands_of_layers_in_a_row_is_no_graph) {
  const std::string strides = "[1, 2, 2], [1, 1, 1], [1, 1, 1], ";
  EXPECT_EQ(obstacle_with("plain_unet_traced", strides, "[1,2,2],[1,1,1],[1,1,1],"), "");
  EXPECT_EQ(obstacle_with("plain_unet_traced", strides, "[1,2,4294967296],[1,1,1],[1,1,1],"),
            "aten::_convolution by more than 65536");
  const std::string net = "net : __torch__.torch.nn.modules.conv.___torch_mangle_152.Conv3d\n";
  const std::string module = R"(  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  )" + net + R"(  def forward(self: __torch__.WithUnknown,
    x: Tensor) -> Tensor:
    net = self.net
    return torch.sigmoid((net).forward(x, ))
)";
  const auto with_layers = [&](const std::string& root) {
    return R"(  training : bool
  _is_full_backward_hook : Optional[bool]
  )" + net +
           R"(  def forward(self: __torch__.WithUnknown, x: Tensor) -> Tensor:
   y = self.net.forward(x)
   for i in range()" +
           root + "):\n    for j in range(" + root + R"():
     y = torch.relu(y)
   return y
)";
  };
  EXPECT_EQ(obstacle_with("unknown", module, with_layers("9")), "");
  EXPECT_EQ(obstacle_with("unknown", module, with_layers("60")), "more than 2048 layers one after the other");
}

TEST(TorchScript, A_package_of_a_module_that_is_no_graph_runs_and_says_why) {
  const fs::path folder = fs::path(testing::TempDir()) / ("no-graph-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  fs::copy_file(path_of("unknown"), folder / "net.ts", fs::copy_options::overwrite_existing);
  nlohmann::json model = nlohmann::json::parse(std::ifstream(ONCOTOME_MODELS "/demo-brain-phantom/model.json"));
  model["weights"] = {{"file", "net.ts"}, {"sha256", sha256_hex_of_file((folder / "net.ts").string())}};
  model["input"] = {{"modality", "CT"}, {"region", model["input"]["region"]}, {"channels", {{{"name", "CT"}}}}};
  model["preparation"] = nlohmann::json::array();
  model["network"] = {{"architecture", "torchscript"},
                      {"out_channels", 2},
                      {"patch_size", {8, 10, 12}},
                      {"overlap", 0.5},
                      {"class_labels", {0, 4}}};
  model["regions"] = nlohmann::json::array();
  std::ofstream(folder / "model.json") << model.dump();
  const Weights fixture = read_safetensors((kScripts / "expected.safetensors").string());
  Geometry grid;
  grid.size = {12, 10, 8};
  const auto loaded = Model::load(read_model_package(folder.string()), Device::cpu, 2);
  EXPECT_EQ(loaded->script_obstacle(), "aten::sigmoid");
  const Segmentation result = segment(*loaded, {{grid, fixture.at("unknown.input").values.data()}}, {}, Job());
  ASSERT_FALSE(result.steps.empty());
  EXPECT_NE(result.steps.back().note.find("aten::sigmoid"), std::string::npos);
  const Tensor& output = fixture.at("unknown.output");
  for (std::size_t i = 0, count = grid.voxel_count(); i < count; ++i)
    ASSERT_EQ(result.labels.voxels[i], output.values[count + i] > output.values[i] ? 4 : 0);
  fs::remove_all(folder);
}

}  // namespace
