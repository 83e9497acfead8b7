// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/calibration.h"
#include "oncotome/engine/lesion_classes.h"
#include "oncotome/engine/safetensors.h"
#include "oncotome/engine/session.h"

namespace {

namespace fs = std::filesystem;
using namespace oncotome;
using namespace oncotome::engine;
using nlohmann::json;

constexpr std::int64_t kSide = 4;

/// Instead of a network: logits of the voxels are 0 and their value, those of the image the values of its first and its
/// last voxel.
class Known final : public Executable {
 public:
  Tensor run(const Tensor& input, const Job& job) const override { return run_all(input, job).front(); }
  std::vector<Tensor> run_all(const Tensor& input, const Job&) const override {
    const std::int64_t N = input.shape[0], voxels = kSide * kSide;
    Tensor labels({N, 2, 1, kSide, kSide}), classes({N, 2, 1, 1, 1});
    for (std::int64_t n = 0; n < N; ++n) {
      const float* values = input.values.data() + n * voxels;
      std::copy_n(values, voxels, labels.values.begin() + (2 * n + 1) * voxels);
      classes.values[static_cast<std::size_t>(2 * n)] = values[0];
      classes.values[static_cast<std::size_t>(2 * n + 1)] = values[voxels - 1];
    }
    return {labels, classes};
  }
};

class KnownBackend final : public Backend {
 public:
  std::string name() const override { return "known"; }
  std::string device() const override { return "cpu"; }
  std::unique_ptr<Executable> compile(const Graph&, const Weights&) const override { return std::make_unique<Known>(); }
  std::unique_ptr<Executable> load_script(const std::string&) const override { return nullptr; }
  ScriptGraph lower_script(const std::string&) const override { return {}; }
};

class ImagePackage : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("images-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    NetworkConfig config;
    config.architecture = "unet_classifier";
    config.in_channels = 1;
    config.classes = config.labels = 2;
    config.input_size = {1, kSide, kSide};
    config.features = {2, 3};
    write_safetensors((folder_ / "w.safetensors").string(), initial_weights(config, 3), {});
    const json code{{"value", "1"}, {"scheme", "99TEST"}, {"meaning", "x"}};
    model_ = {
        {"schema", "oncotome.model/1"},
        {"name", "toy"},
        {"title", "Toy"},
        {"version", "1"},
        {"intended_use", "test"},
        {"license", "none"},
        {"origin", "test"},
        {"weights", {{"file", "w.safetensors"}, {"sha256", sha256_hex_of_file((folder_ / "w.safetensors").string())}}},
        {"input", {{"modality", "MR"}, {"region", code}, {"channels", {{{"name", "gray"}}}}}},
        {"image", {{"resize", "squash"}, {"rescale", {0, 10}}, {"mean", {0.5}}, {"std", {0.1}}}},
        {"network",
         {{"architecture", "unet_classifier"},
          {"dimensions", 2},
          {"in_channels", 1},
          {"classes", 2},
          {"labels", 2},
          {"input_size", {1, kSide, kSide}},
          {"features", {2, 3}},
          {"class_labels", {0, 9}}}},
        {"classes", {{{"name", "first"}}, {{"name", "last"}, {"code", code}}}},
        {"labels",
         {{{"value", 9}, {"name", "t"}, {"category", code}, {"type", code}, {"color", {1, 2, 3}}, {"lesion", true}}}},
        {"lesion", {{"min_volume_mm3", 0}}}};
  }
  void TearDown() override { fs::remove_all(folder_); }

  ModelPackage read() const { return parse_model_package(model_.dump(), folder_.string()); }
  std::shared_ptr<const Model> load() const {
    return Model::load(read(), [] { return std::make_shared<const KnownBackend>(); });
  }
  ErrorCode refusal(const char* pointer, const json& value) {
    const json good = model_;
    model_[json::json_pointer(pointer)] = value;
    try {
      read();
      model_ = good;
    } catch (const Error& e) {
      model_ = good;
      return e.code();
    }
    return ErrorCode::internal;
  }

  fs::path folder_;
  json model_;
};

// 0 to 10 is -5 to 5 for the network.
Tensor picture(float first, float last, float others = 0) {
  Tensor raw({1, 1, 1, kSide, kSide}, others);
  raw.values.front() = first;
  raw.values.back() = last;
  return raw;
}

TEST_F(ImagePackage, Says_its_classes_and_preparation_and_is_refused_when_wrong) {
  model_["mirrors"] = {"W", "H"};
  model_["calibration"] = {{"temperature", 1.5}};
  const ImageInference inference = image_inference(read());
  EXPECT_EQ(inference.classes.at(1).name, "last");
  EXPECT_EQ(inference.classes.at(1).code->value, "1");
  EXPECT_EQ(inference.mirror_axes, (std::vector<int>{2, 1}));
  EXPECT_EQ(inference.temperature, 1.5);
  EXPECT_EQ(inference.image.rescale->second, 10);
  EXPECT_EQ(refusal("/image/resize", "crop"), ErrorCode::model_unsupported);
  EXPECT_EQ(refusal("/image/percentiles", {0.1, 0.9}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/image/std", {0}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/image/mean", {0, 0}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/image/rescale", {10, 0}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/network/architecture", "transformer"), ErrorCode::model_unsupported);
  EXPECT_EQ(refusal("/network/in_channels", 3), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/network/classes", 3), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/network/class_labels", {0, 8}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/classes/1/name", "first"), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/calibration/temperature", 0), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/mirrors", {"W", "W"}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/mirrors", {"X"}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/preparation", {{{"step", "orient"}}}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/gate", {{"features", "deep"}}), ErrorCode::model_unsupported);
  ImageGate other;
  other.components = {{1, {0}, {1}}};
  EXPECT_EQ(refusal("/gate", gate_json(other)), ErrorCode::model_invalid);
  json none = gate_json(other);
  none["components"] = json::array();
  EXPECT_EQ(refusal("/gate", none), ErrorCode::model_invalid);
  model_.erase("image");
  EXPECT_THROW(read(), Error);
}

TEST_F(ImagePackage, Probabilities_are_the_softmax_of_the_logits_over_the_temperature) {
  model_["calibration"] = {{"temperature", 2}};
  const auto model = load();
  const Classification c = classify(*model, picture(6, 8), {});  // logits 1 and 3
  EXPECT_NEAR(c.probabilities[1], 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(c.entropy, entropy(c.probabilities), 1e-12);
  EXPECT_EQ(c.best(), 1u);
  EXPECT_FALSE(c.scores);
}

TEST_F(ImagePackage, Mirrored_images_are_averaged_and_labels_turned_back) {
  model_["mirrors"] = {"W", "H"};
  const auto model = load();
  Tensor raw = picture(9, 5, 4);
  raw.values[3] = raw.values[12] = 5;  // corners: logits 4 and three of 0
  const auto result = run_images(*model, {raw}, {}).front();
  // Of four versions one sees (4, 0), one (0, 4), two (0, 0).
  EXPECT_NEAR(result.classification.probabilities[0], 0.5, 1e-6);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(result.labels[i], i == 0 ? 9 : 0) << i;
}

TEST_F(ImagePackage, A_batch_gives_what_each_image_gives_alone_at_its_own_size) {
  const auto model = load();
  Tensor wide({1, 1, 1, 8, 16}, 2);
  for (std::size_t i = 0; i < wide.values.size(); ++i)
    if (i % 16 < 8) wide.values[i] = 9;
  const std::vector<Tensor> raws{picture(6, 8), wide, picture(7, 2)};
  const auto all = run_images(*model, raws, {});
  for (std::size_t i = 0; i < raws.size(); ++i) {
    const auto one = run_images(*model, {raws[i]}, {}).front();
    EXPECT_EQ(all[i].classification.probabilities, one.classification.probabilities);
    EXPECT_EQ(all[i].labels, one.labels);
  }
  ASSERT_EQ(all[1].labels.size(), wide.values.size());
  for (std::size_t i = 0; i < wide.values.size(); ++i) EXPECT_EQ(all[1].labels[i], i % 16 < 8 ? 9 : 0) << i;
}

TEST_F(ImagePackage, The_gate_refuses_by_distance_and_by_energy) {
  const std::vector<double> usual =
      gate_features(prepare_image(image_inference(read()).image, {1, kSide, kSide}, picture(6, 8)));
  ImageGate gate;
  gate.components = {{1, usual, std::vector<double>(usual.size() * (usual.size() + 1) / 2, 0)}};
  gate.components[0].whitening[0] = 1;  // the mean of the image alone
  gate.max_distance = 0.5;
  gate.max_energy = -2.0;
  gate.quantile = 0.99;
  model_["gate"] = gate_json(gate);
  const auto model = load();
  const Classification known = classify(*model, picture(6, 8), {});
  EXPECT_EQ(known.refusal, "");
  EXPECT_NEAR(*known.scores->energy, energy({1, 3}), 1e-5);
  EXPECT_NEAR(known.scores->distance, 0, 1e-5);
  const Classification bright = classify(*model, picture(6, 8, 1), {});
  EXPECT_NEAR(bright.scores->distance, 14.0 / 16, 1e-5);
  EXPECT_NE(bright.refusal, "");
  EXPECT_FALSE(bright.best());
  EXPECT_EQ(classify(*model, picture(7, 7), {}).refusal, "");  // energy -2.69
  EXPECT_NE(classify(*model, picture(5, 5.5F), {}).refusal.find("energy"), std::string::npos);
}

TEST_F(ImagePackage, A_gate_of_the_first_kind_is_still_read) {
  const std::vector<double> usual =
      gate_features(prepare_image(image_inference(read()).image, {1, kSide, kSide}, picture(6, 8)), 1);
  std::vector<double> whitening(usual.size() * (usual.size() + 1) / 2, 0);
  whitening[0] = 1;
  model_["gate"] = {{"features", "statistics/1"},
                    {"mean", usual},
                    {"whitening", whitening},
                    {"max_distance", 0.5},
                    {"quantile", 0.99}};
  EXPECT_EQ(classify(*load(), picture(6, 8), {}).refusal, "");
  EXPECT_NE(classify(*load(), picture(6, 8, 1), {}).refusal, "");
}

TEST_F(ImagePackage, A_volume_is_labeled_slice_by_slice) {
  const auto model = load();
  Geometry grid;
  grid.size = {4, 4, 3};
  Volume<float> volume(grid, 2);
  volume.at(1, 2, 1) = 9;
  volume.at(3, 0, 2) = 8;
  const Segmentation out = segment(*model, {{grid, volume.voxels.data()}}, {}, {});
  for (std::size_t i = 0; i < volume.voxels.size(); ++i)
    EXPECT_EQ(out.labels.voxels[i], volume.voxels[i] > 5 ? 9 : 0) << i;
}

TEST_F(ImagePackage, Lesions_are_seen_by_their_largest_slice_or_a_square_round_them) {
  Geometry grid;
  grid.size = {20, 10, 4};
  grid.spacing_mm = {0.5, 1, 3};
  LesionVolume ids(grid);
  ids.at(4, 3, 1) = 2;
  for (std::int64_t x = 4; x < 8; ++x) ids.at(x, 4, 2) = 2;
  ids.at(19, 9, 3) = 5;
  const std::vector<LesionBox> boxes = lesion_boxes(ids);
  ASSERT_EQ(boxes.size(), 2u);
  EXPECT_EQ(boxes[0].id, 2);
  EXPECT_EQ(boxes[0].first, (Index3{4, 3, 1}));
  EXPECT_EQ(boxes[0].last, (Index3{7, 4, 2}));
  EXPECT_EQ(boxes[0].slice, 2);
  Volume<float> volume(grid);
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) volume.voxels[i] = static_cast<float>(i);
  const std::vector<ChannelView> channels{{grid, volume.voxels.data()}};
  const Tensor slice = lesion_image(image_inference(read()), channels, boxes[0]);
  EXPECT_EQ(slice.shape, (std::vector<std::int64_t>{1, 1, 1, 10, 20}));
  EXPECT_EQ(slice.values.front(), 400);
  model_["image"]["crop_margin_mm"] = 1;
  // 2 mm wide and 2 mm high, and 1 mm on each side: 8 x 4 voxels round (6, 4).
  const Tensor crop = lesion_image(image_inference(read()), channels, boxes[0]);
  EXPECT_EQ(crop.shape, (std::vector<std::int64_t>{1, 1, 1, 4, 8}));
  EXPECT_EQ(crop.values.front(), volume.at(2, 2, 2));
  EXPECT_EQ(crop.values.back(), volume.at(9, 5, 2));
  // Beyond the corner the outermost values go on.
  const Tensor corner = lesion_image(image_inference(read()), channels, boxes[1]);
  EXPECT_EQ(corner.values.back(), volume.at(19, 9, 3));
  const auto findings = classify_lesions(*load(), channels, grid, boxes, {});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[1].lesion_id, 5);
  EXPECT_EQ(findings[0].classification.probabilities, classify(*load(), crop, {}).probabilities);
  EXPECT_THROW(classify_lesions(*load(), channels, grid, {{1, {0, 0, 0}, {20, 1, 1}, 0}}, {}), Error);
}

}  // namespace
