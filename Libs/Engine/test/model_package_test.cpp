// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/model_package.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/import.h"
#include "oncotome/engine/safetensors.h"

namespace {

namespace fs = std::filesystem;
using namespace oncotome;
using namespace oncotome::engine;
using nlohmann::json;

class ModelPackageTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("package-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    model_ = json::parse(std::ifstream(ONCOTOME_MODELS "/demo-brain-phantom/model.json"));
  }
  void TearDown() override { fs::remove_all(folder_); }

  ModelPackage read() {
    std::ofstream(folder_ / "model.json") << model_.dump();
    return read_model_package(folder_.string());
  }

  ErrorCode refusal() {
    std::ofstream(folder_ / "model.json") << model_.dump();
    return refusal_of({});
  }
  ErrorCode refusal_of(const ModelOptions& options) {
    try {
      read_model_package(folder_.string(), options);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::internal;
  }

  fs::path folder_;
  json model_;
};

TEST_F(ModelPackageTest, A_package_says_its_channels_labels_and_network) {
  const ModelPackage package = read();
  EXPECT_EQ(package.channel_index("t1gd"), 2u);
  EXPECT_EQ(package.reference_channel, 2u);
  EXPECT_EQ(package.labels.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<UNetInference>(package.inference));
  EXPECT_THROW(package.channel_index("DWI"), Error);
}

TEST_F(ModelPackageTest, What_is_wrong_is_refused_with_its_code) {
  const json good = model_;
  const auto with = [&](const char* pointer, const json& value) {
    model_ = good;
    model_[json::json_pointer(pointer)] = value;
    return refusal();
  };
  EXPECT_EQ(with("/schema", "oncotome.model/9"), ErrorCode::model_unsupported);
  EXPECT_EQ(with("/network/architecture", "transformer"), ErrorCode::model_unsupported);
  EXPECT_EQ(with("/preparation/0/step", "guess"), ErrorCode::model_unsupported);
  EXPECT_EQ(with("/preparation/0/step", "crop"), ErrorCode::model_invalid);
  const json quantile{{"step", "normalize"}, {"method", "quantile"}, {"low", 0.98}, {"high", 0.02}, {"clip", true}};
  const json conform{{"step", "conform"}, {"axes", "AIL"}, {"size", 256}, {"spacing_mm", 1}};
  const json brain{{"step", "extract_brain"}, {"model", "../brain"}, {"channel", "T1"}};
  EXPECT_EQ(with("/preparation", {quantile}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/preparation", {conform, {{"step", "orient"}, {"axes", "LPS"}}}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/preparation", {conform, {{"step", "register"}, {"tolerance_mm", 2}}}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/preparation", {{{"step", "register"}, {"tolerance_mm", -1}}}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/preparation", {brain}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/network", {{"architecture", "meshnet"}}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/network/patch_size", {63, 64, 64}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/network/class_labels", {0, 1, 2, 77}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/regions/0/labels", {1, 9}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/input/channels/1/name", "flair"), ErrorCode::model_invalid);
  EXPECT_EQ(with("/network/overlap", 0.9999999), ErrorCode::model_invalid);
  EXPECT_EQ(with("/network/features", json::array()), ErrorCode::model_invalid);
  EXPECT_EQ(with("/network/class_labels", {0, 1}), ErrorCode::model_invalid);
  json script = good["network"];
  script.update({{"architecture", "torchscript"}, {"out_channels", 0}, {"class_labels", json::array()}});
  EXPECT_EQ(with("/network", script), ErrorCode::model_invalid);
  script.update({{"out_channels", 257}, {"class_labels", std::vector<int>(257, 0)}});
  EXPECT_EQ(with("/network", script), ErrorCode::model_invalid);
  EXPECT_EQ(with("/weights/file", "../../etc/passwd"), ErrorCode::model_invalid);
  EXPECT_EQ(with("/labels/0/value", 0), ErrorCode::model_invalid);
  EXPECT_EQ(with("/labels/0/value", "one"), ErrorCode::model_invalid);
  EXPECT_EQ(with("/labels/0/color", {0, 0, 256}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/network/class_labels", {0, 1, 2, 260}), ErrorCode::model_invalid);
  EXPECT_EQ(with("/input/channels/0/find/0/description", "(a+)+$"), ErrorCode::model_invalid);
  EXPECT_EQ(with("/input/channels/0/find/0/description", std::string(100, '(') + std::string(100, ')')),
            ErrorCode::model_invalid);
  EXPECT_EQ(with("/input/channels/0/find/0/description", "("), ErrorCode::model_invalid);
  model_ = good;
  model_.erase("intended_use");
  EXPECT_EQ(refusal(), ErrorCode::model_invalid);
  std::ofstream(folder_ / "model.json") << "{";
  EXPECT_THROW(read_model_package(folder_.string()), Error);
  EXPECT_THROW(read_model_package((folder_ / "absent").string()), Error);
}

TEST_F(ModelPackageTest, A_pattern_is_refused_or_searched_in_no_time_whatever_it_is) {
  const auto repeated = [](int count, const std::string& part) {
    std::string all;
    for (int i = 0; i < count; ++i) all += part;
    return all;
  };
  json& pattern = model_["input"]["channels"][0]["find"][0]["description"];
  for (const char* refused : {"a??{30000}", "a*{30000}", "a{9}{9}", "(?=a)(?=b)(?!c)"}) {
    pattern = refused;
    EXPECT_EQ(refusal(), ErrorCode::model_invalid) << refused;
  }
  SeriesTraits traits;
  traits.description = std::string(256, 'a');
  for (const std::string& slow : {repeated(30, "(|)") + "x", repeated(12, ".*") + "x", repeated(100, "a?") + "x"}) {
    pattern = slow;
    EXPECT_FALSE(read().channels[0].rules[0].matches(traits)) << slow;
  }
}

TEST_F(ModelPackageTest, JSON_too_deep_or_too_large_is_refused) {
  const std::string deep = R"({"a": )" + std::string(200000, '[') + std::string(200000, ']') + "}";
  std::ofstream(folder_ / "model.json") << deep;
  EXPECT_EQ(refusal_of({}), ErrorCode::model_invalid);
  std::ofstream(folder_ / "model.json") << "{}" << std::string(std::size_t{16} << 20, ' ');
  EXPECT_EQ(refusal_of({}), ErrorCode::model_invalid);
  fs::remove(folder_ / "model.json");
  ModelOptions options;
  options.postprocessing = (folder_ / "postprocessing.json").string();
  std::ofstream(options.postprocessing) << deep;
  EXPECT_EQ(refusal_of(options), ErrorCode::model_invalid);
}

TEST_F(ModelPackageTest, Weights_with_another_checksum_are_refused) {
  const ModelPackage package = read();
  write_safetensors((folder_ / package.weights_file).string(), {{"a", Tensor({2}, 1.0F)}}, {});
  try {
    read_package_weights(package);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::weights_checksum);
  }
}

// The smallest MeshNet that is known: two layers, a head.
class MeshNetImport : public ModelPackageTest {
 protected:
  void SetUp() override {
    ModelPackageTest::SetUp();
    json layers = json::array(), weights = json::array();
    std::size_t bytes = 0;
    const auto add = [&](const std::string& name, const std::vector<std::size_t>& shape) {
      weights.push_back({{"name", name}, {"shape", shape}, {"dtype", "float32"}});
      bytes += std::accumulate(shape.begin(), shape.end(), sizeof(float), std::multiplies<>());
    };
    const auto conv = [&](const char* name, std::size_t side, std::size_t inputs, std::size_t filters) {
      const std::vector<std::size_t> kernel(3, side), ones(3, 1);
      layers.push_back({{"class_name", "Conv3D"},
                        {"config",
                         {{"name", name},
                          {"filters", filters},
                          {"kernel_size", kernel},
                          {"dilation_rate", ones},
                          {"strides", ones},
                          {"padding", "same"},
                          {"data_format", "channels_last"},
                          {"activation", "linear"},
                          {"use_bias", true}}}});
      if (side > 1) layers.push_back({{"class_name", "Activation"}, {"config", {{"activation", "relu"}}}});
      add(name + std::string("/kernel"), {side, side, side, inputs, filters});
      add(name + std::string("/bias"), {filters});
    };
    conv("a", 3, 1, 5);
    conv("b", 3, 5, 5);
    conv("head", 1, 5, 3);
    model_ = {{"modelTopology", {{"model_config", {{"config", {{"layers", layers}}}}}}},
              {"weightsManifest", {{{"paths", {"w.bin"}}, {"weights", weights}}}}};
    std::ofstream(folder_ / "w.bin") << std::string(bytes, '\0');
  }

  ErrorCode refusal() {
    std::ofstream(folder_ / "model.json") << model_.dump();
    try {
      import_model(folder_.string(), (folder_ / "out").string(), "meshnet", true);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::internal;
  }
};

TEST_F(MeshNetImport, Each_file_of_weights_is_read_once) {
  EXPECT_EQ(refusal(), ErrorCode::internal);  // none
  EXPECT_TRUE(fs::exists(folder_ / "out/model.json"));
  json& group = model_["weightsManifest"][0];
  group["paths"] = std::vector<std::string>(1000, "w.bin");
  EXPECT_EQ(refusal(), ErrorCode::weights_invalid);
  group["paths"] = {"w.bin"};
  fs::resize_file(folder_ / "w.bin", std::uintmax_t{1} << 40);  // takes no room
  EXPECT_EQ(refusal(), ErrorCode::weights_invalid);
}

TEST_F(MeshNetImport, Names_of_classes_that_are_nested_deep_are_passed_over) {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  std::ofstream(folder_ / "colormap.json")
      << R"({"labels": ["a", "b", "c"], "R": [0, )" << deep << R"(, 0], "G": [0, 0, 0], "B": [0, 0, 0]})";
  EXPECT_EQ(refusal(), ErrorCode::internal);  // none
}

SeriesTraits series(const std::string& description, std::optional<double> tr, std::optional<double> te,
                    std::optional<double> ti, bool contrast) {
  return {"MR", description, contrast, tr, te, ti};
}

TEST_F(ModelPackageTest, Channels_are_recognized_by_description_or_by_sequence_attributes) {
  const ModelPackage package = read();
  const auto matches = [&](const char* channel, const SeriesTraits& traits) {
    const auto& rules = package.channels[package.channel_index(channel)].rules;
    return std::any_of(rules.begin(), rules.end(), [&](const ChannelRule& rule) { return rule.matches(traits); });
  };
  const struct {
    SeriesTraits traits;
    const char* channel;
  } cases[] = {
      {series("Ax T2 FLAIR", 9000, 120, 2500, false), "FLAIR"},
      {series("t2_tirm_tra_dark-fluid", 9000, 90, 2500, false), "FLAIR"},
      {series("", 9000, 120, 2500, false), "FLAIR"},
      {series("Ax T1", 500, 10, std::nullopt, false), "T1"},
      {series("", 500, 10, std::nullopt, false), "T1"},
      {series("Ax T1 POST GAD", 500, 10, std::nullopt, false), "T1ce"},
      {series("t1_mprage_sag", 2000, 3, 900, true), "T1ce"},
      {series("T1+C", 500, 10, std::nullopt, false), "T1ce"},
      {series("AX T1 PRE-CONTRAST", 500, 10, std::nullopt, false), "T1"},
      {series("Ax T1 FLAIR", 2000, 10, 800, false), "T1"},
      {series("sag t1 w/o", 500, 10, std::nullopt, false), "T1"},
      {series("TCGA-DU-7294_fla_bet.nii.gz", std::nullopt, std::nullopt, std::nullopt, false), "FLAIR"},
      {series("TCGA-DU-7294_t1c_bet.nii.gz", std::nullopt, std::nullopt, std::nullopt, false), "T1ce"},
      {series("Ax T2 FSE", 4000, 100, std::nullopt, false), "T2"},
      {series("", 4000, 100, std::nullopt, false), "T2"},
  };
  for (const auto& c : cases)
    for (const char* channel : {"FLAIR", "T1", "T1ce", "T2"})
      EXPECT_EQ(matches(channel, c.traits), std::string(channel) == c.channel)
          << c.traits.description << " as " << channel;
}

}  // namespace
