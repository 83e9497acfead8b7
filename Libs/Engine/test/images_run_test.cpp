// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
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
  EXPECT_EQ(refusal("/image/std", {1e-320}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/image/mean", {1e308}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/image/mean", {0, 0}), ErrorCode::model_invalid);
  EXPECT_EQ(refusal("/image/crop_margin_mm", 1e9), ErrorCode::model_invalid);
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
  json large = model_["network"];  // 275 GB would be its image
  large.update({{"dimensions", 3}, {"input_size", {4096, 4096, 4096}}});
  model_["gate"] = gate_json(other);
  EXPECT_EQ(refusal("/network", large), ErrorCode::model_invalid);
  model_.erase("gate");
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
  EXPECT_TRUE(out.entropy.voxels.empty());
  SegmentRequest request;
  request.entropy = true;
  const Volume<float> entropies = segment(*model, {{grid, volume.voxels.data()}}, request, {}).entropy;
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) {
    const double p = 1 / (1 + std::exp(5.0 - static_cast<double>(volume.voxels[i])));
    EXPECT_NEAR(entropies.voxels.at(i), entropy({p, 1 - p}), 1e-6) << i;
  }
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
  model_["image"]["crop_margin_mm"] = 1000;
  Geometry fine = grid;
  fine.spacing_mm = {1e-3, 1e-3, 1};
  EXPECT_THROW(lesion_image(image_inference(read()), {{fine, volume.voxels.data()}}, boxes[0]), Error);
}

TEST_F(ImagePackage, Members_are_averaged_and_tell_how_far_they_disagree) {
  const auto plain = load();
  model_["calibration"] = {{"temperature", 4}};
  const auto warm = load();
  const Tensor raw = picture(6, 8);  // logits 1 and 3
  const Classification both = run_images({plain, warm}, {raw}, {}, {}).front().classification;
  const double p = 1 / (1 + std::exp(-2.0)), q = 1 / (1 + std::exp(-0.5)), mean = (p + q) / 2;
  const auto entropy_of = [](double share) { return -share * std::log(share) - (1 - share) * std::log(1 - share); };
  EXPECT_NEAR(both.probabilities[1], mean, 1e-6);
  EXPECT_NEAR(both.entropy, entropy_of(mean), 1e-6);
  EXPECT_NEAR(*both.mutual_information, entropy_of(mean) - (entropy_of(p) + entropy_of(q)) / 2, 1e-6);
  EXPECT_FALSE(both.mirror_spread);
  const Classification twice = run_images({plain, plain}, {raw}, {}, {}).front().classification;
  EXPECT_NEAR(*twice.mutual_information, 0, 1e-9);
  EXPECT_FALSE(classify(*plain, raw, {}).mutual_information);
}

TEST_F(ImagePackage, Mirrored_images_tell_how_far_they_differ) {
  model_["mirrors"] = {"W", "H"};
  const auto model = load();
  Tensor raw = picture(9, 5, 4);
  raw.values[3] = raw.values[12] = 5;  // corners: logits 4 and three of 0
  const Classification c = classify(*model, raw, {});
  // Of four versions one sees (4, 0), one (0, 4), two (0, 0).
  const double off = 1 / (1 + std::exp(-4.0)) - 0.5;
  EXPECT_NEAR(*c.mirror_spread, std::sqrt(2 * off * off / 4), 1e-6);
  EXPECT_FALSE(c.mutual_information);
}

TEST_F(ImagePackage, Voxels_have_entropies_where_they_are_asked_for) {
  const auto model = load();
  const Tensor raw = picture(6, 8, 5);  // logits of the second label 1 and 3, else 0
  ImageOptions options;
  EXPECT_TRUE(run_images({model}, {raw}, options, {}).front().label_entropies.empty());
  options.label_entropies = true;
  const std::vector<float> found = run_images({model}, {raw}, options, {}).front().label_entropies;
  ASSERT_EQ(found.size(), 16u);
  EXPECT_NEAR(found[5], std::log(2.0), 1e-6);
  for (const auto& [at, logit] : {std::pair(std::size_t{0}, 1.0), std::pair(std::size_t{15}, 3.0)}) {
    const double p = 1 / (1 + std::exp(-logit));
    EXPECT_NEAR(found[at], -p * std::log(p) - (1 - p) * std::log(1 - p), 1e-6);
  }
}

TEST_F(ImagePackage, Any_members_gate_refuses) {
  const auto open = load();
  const std::vector<double> usual =
      gate_features(prepare_image(image_inference(read()).image, {1, kSide, kSide}, picture(6, 8)));
  ImageGate gate;
  gate.components = {{1, usual, std::vector<double>(usual.size() * (usual.size() + 1) / 2, 0)}};
  gate.max_distance = -1;
  model_["gate"] = gate_json(gate);
  const auto closed = load();
  EXPECT_NE(run_images({open, closed}, {picture(6, 8)}, {}, {}).front().classification.refusal, "");
  EXPECT_EQ(run_images({open, open}, {picture(6, 8)}, {}, {}).front().classification.refusal, "");
}

TEST_F(ImagePackage, An_ensemble_must_be_of_one_kind) {
  const ModelPackage good = read();
  const auto refused = [&](const char* pointer, const json& value, const ImageOptions& options = {}) {
    const json kept = model_;
    model_[json::json_pointer(pointer)] = value;
    const ModelPackage other = read();
    model_ = kept;
    try {
      check_image_ensemble({&good, &other}, options);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::internal;
  };
  EXPECT_EQ(refused("/classes/0/name", "another"), ErrorCode::usage);
  EXPECT_EQ(refused("/labels/0/name", "another"), ErrorCode::usage);
  EXPECT_EQ(refused("/input/modality", "CT"), ErrorCode::usage);
  EXPECT_EQ(refused("/image/picture_range", {0, 100}), ErrorCode::usage);
  EXPECT_EQ(refused("/image/mean", {0.4}), ErrorCode::internal);  // each prepares in its own way
  ImageOptions options;
  options.dropout_samples = 3;
  EXPECT_EQ(refused("/title", "x", options), ErrorCode::internal);
}

TEST_F(ImagePackage, Dropout_samples_have_the_mean_over_all_dropouts) {
  const auto whole = Model::load(read(), Device::cpu, 1);
  const auto model = Model::load(read(), Device::cpu, 1, Precision::f32, /*dropout=*/true);
  ASSERT_EQ(model->dropout_parts().size(), 1u);
  EXPECT_EQ(model->dropout_parts()[0].probability, 0.5);
  const Tensor raw = picture(6, 8, 2);
  const auto same = run_images({model}, {raw}, {}, {}).front();
  const auto expected = run_images({whole}, {raw}, {}, {}).front();
  EXPECT_EQ(same.labels, expected.labels);
  EXPECT_NEAR(same.classification.probabilities[0], expected.classification.probabilities[0], 1e-6);

  // The three values before the dropout, and every way to drop some of them.
  const Weights weights = read_package_weights(read());
  const Tensor &w = weights.at("fc.weight"), &b = weights.at("fc.bias");
  const Tensor input = prepare_image(image_inference(read()).image, {1, kSide, kSide}, raw);
  const Tensor deep = model->network("image").run_all(input, {}).back();
  ASSERT_EQ(deep.shape, (std::vector<std::int64_t>{1, 3, 1, 1, 1}));
  double mean = 0, inner = 0;
  for (unsigned set = 0; set < 8; ++set) {
    std::vector<double> logits;
    for (std::size_t k = 0; k < 2; ++k) {
      logits.push_back(static_cast<double>(b.values[k]));
      for (std::size_t f = 0; f < 3; ++f)
        if ((set >> f & 1U) != 0) logits[k] += 2.0 * static_cast<double>(w.values[3 * k + f] * deep.values[f]);
    }
    const std::vector<double> p = softmax(logits);
    mean += p[0] / 8;
    inner += entropy(p) / 8;
  }
  ImageOptions options;
  options.dropout_samples = 4000;
  const Classification drawn = run_images({model}, {raw}, options, {}).front().classification;
  EXPECT_NEAR(drawn.probabilities[0], mean, 0.02);
  EXPECT_NEAR(*drawn.mutual_information, entropy({mean, 1 - mean}) - inner, 0.02);
  EXPECT_GT(*drawn.mutual_information, 1e-4);
  EXPECT_NE(drawn.probabilities[0], expected.classification.probabilities[0]);

  // The seed says what is dropped, whatever else is in the batch.
  options.dropout_samples = 5;
  const auto batch = run_images({model}, {picture(1, 2, 3), raw}, options, {});
  const Classification alone = run_images({model}, {raw}, options, {}).front().classification;
  EXPECT_NEAR(batch[1].classification.probabilities[0], alone.probabilities[0], 1e-6);
  options.seed = 2;
  EXPECT_NE(run_images({model}, {raw}, options, {}).front().classification.probabilities[0], alone.probabilities[0]);
  EXPECT_THROW(run_images({whole}, {raw}, options, {}), Error);
}

TEST(DropoutParts, Are_cut_where_a_network_has_dropouts) {
  NetworkConfig config;
  config.in_channels = 1;
  config.classes = 3;
  const auto parts_of = [&](const char* name, const Dhw& size) {
    config.architecture = name;
    config.input_size = size;
    Weights none;
    return dropout_parts(build_network(config), none);
  };
  const auto vgg = parts_of("vgg16", {1, 32, 32});
  ASSERT_EQ(vgg.size(), 3u);
  EXPECT_EQ(vgg[0].probability, 0);
  EXPECT_EQ(vgg[1].probability, 0.5);
  ASSERT_EQ(vgg[1].graph.nodes.size(), 3u);  // input, fully connected, ReLU
  EXPECT_EQ(vgg[1].graph.nodes[1].weight, "classifier.3.weight");
  EXPECT_EQ(vgg[2].graph.nodes[1].weight, "classifier.6.weight");
  EXPECT_EQ(parts_of("alexnet", {1, 63, 63}).size(), 3u);
  EXPECT_EQ(parts_of("lenet5", {1, 32, 32}).size(), 1u);
  // A dropout that something goes round.
  Graph round;
  const int x = round.add({}), dropped = round.add({Op::dropout, {x}});
  round.add({Op::add, {x, dropped}});
  Weights none;
  EXPECT_THROW(dropout_parts(round, none), Error);
}

}  // namespace
