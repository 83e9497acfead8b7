// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "monai/array.h"
#include "monai/bundle.h"
#include "monai/run.h"
#include "oncotome/core/error.h"

namespace {

namespace fs = std::filesystem;
using namespace oncotome;
using namespace oncotome::engine;
using monai::Json;

class MonaiBundle : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("bundle-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    take("ct_unet");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void take(const std::string& name) {
    fs::remove_all(folder_);
    fs::copy(fs::path(ONCOTOME_FIXTURES) / "monai" / name, folder_, fs::copy_options::recursive);
    inference_ = Json::parse(std::ifstream(folder_ / "configs/inference.json"));
    metadata_ = Json::parse(std::ifstream(folder_ / "configs/metadata.json"));
  }
  ModelPackage read() {
    std::ofstream(folder_ / "configs/inference.json") << inference_.dump();
    std::ofstream(folder_ / "configs/metadata.json") << metadata_.dump();
    return read_model_package(folder_.string());
  }
  void expect_refusal(ErrorCode code, const std::string& word) {
    try {
      read();
      ADD_FAILURE() << "taken, for all of " << word;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    }
  }
  Json& transforms(const char* key) { return inference_[key]["transforms"]; }

  fs::path folder_;
  Json inference_, metadata_;
};

TEST_F(MonaiBundle, What_it_is_and_asks_for_is_read) {
  const ModelPackage package = read();
  EXPECT_EQ(package.modality, "CT");
  EXPECT_EQ(package.channel_index("image"), 0U);
  EXPECT_EQ(package.channel_index("CT"), 0U);
  ASSERT_EQ(package.labels.size(), 2U);
  EXPECT_FALSE(package.labels[0].lesion);
  EXPECT_TRUE(package.labels[1].lesion);
  const auto& inference = std::get<MonaiInference>(package.inference);
  EXPECT_EQ(inference.window.roi, (Dhw{24, 24, 24}));
  EXPECT_EQ(inference.preparation.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<monai::UNet>(inference.network.architecture));
  EXPECT_EQ(package.weights_file, "models/model.pt");
}

TEST_F(MonaiBundle, Masks_that_overlap_become_labels_as_its_function_says) {
  take("mri_segresnet");
  const ModelPackage package = read();
  ASSERT_EQ(package.labels.size(), 3U);
  EXPECT_EQ(package.labels[2].value, 4);
  EXPECT_EQ(package.labels[2].name, "Enhancing tumor");
  transforms("postprocessing").erase(3);
  expect_refusal(ErrorCode::model_unsupported, "no Lambdad");
}

TEST_F(MonaiBundle, TorchScript_stands_in_for_a_network_that_is_not_known) {
  inference_["network_def"] = {{"_target_", "SwinUNETR"}, {"in_channels", 1}};
  const ModelPackage package = read();
  EXPECT_EQ(package.weights_file, "models/model.ts");
  fs::remove(folder_ / "models/model.ts");
  expect_refusal(ErrorCode::model_unsupported, "SwinUNETR");
}

TEST_F(MonaiBundle, What_is_not_known_is_refused_by_its_name) {
  const Json good = inference_;
  const auto with = [&](const char* pointer, const Json& value, const std::string& word) {
    inference_ = good;
    inference_[Json::json_pointer(pointer)] = value;
    expect_refusal(ErrorCode::model_unsupported, word);
  };
  fs::remove(folder_ / "models/model.ts");
  with("/preprocessing/transforms/-", {{"_target_", "Resized"}, {"keys", "image"}}, "Resized");
  with("/preprocessing/transforms/3/scale_extent", true, "scale_extent");
  with("/preprocessing/transforms/3/mode", "bicubic", "bicubic");
  with("/preprocessing/transforms/4/sharpness", 1, "sharpness");
  with("/postprocessing/transforms/-", {{"_target_", "FillHolesd"}, {"keys", "pred"}}, "FillHolesd");
  with("/inferer", {{"_target_", "scripts.detection_inferer.RetinaNetInferer"}}, "RetinaNetInferer");
  with("/network_def/norm", "layer", "layer");
  with("/network_def", "$__import__('os').system('true')", "__import__");
  with("/inferer/roi_size", "$[int(x) for x in open('/etc/passwd')]", "roi_size");
}

TEST_F(MonaiBundle, What_is_broken_is_refused) {
  inference_["pixdim"] = "@pixdim";
  inference_["inferer"]["roi_size"] = "@pixdim";
  expect_refusal(ErrorCode::model_invalid, "back to itself");
  inference_["inferer"]["roi_size"] = "@not_there";
  expect_refusal(ErrorCode::model_invalid, "not_there");
  for (int i = 0; i < 12; ++i) {
    const std::string next = "@a" + std::to_string(i + 1);
    inference_["a" + std::to_string(i)] = "$[" + next + "," + next + "," + next + "," + next + "]";
  }
  inference_["a12"] = 1;
  inference_["inferer"]["roi_size"] = "@a0";
  expect_refusal(ErrorCode::model_invalid, "nested too deep");
  take("ct_unet");
  metadata_["network_data_format"]["inputs"]["image"]["num_channels"] = 3;
  expect_refusal(ErrorCode::model_unsupported, "channel 1");
  take("ct_unet");
  fs::remove_all(folder_ / "models");
  expect_refusal(ErrorCode::weights_invalid, "model.pt");
}

TEST_F(MonaiBundle, JSON_that_is_nested_deep_is_refused_before_anything_recurses_through_it) {
  const auto nested = [](std::size_t depth) {
    return R"({"other": )" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  inference_["other"] = Json::parse(nested(60))["other"];
  EXPECT_NO_THROW(read());
  const auto refusal = [&] {
    try {
      read_model_package(folder_.string());
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::internal;
  };
  for (const char* file : {"configs/metadata.json", "configs/inference.json"}) {
    take("ct_unet");
    std::ofstream(folder_ / file) << nested(200000);
    EXPECT_EQ(refusal(), ErrorCode::model_invalid) << file;
  }
}

TEST_F(MonaiBundle, What_follows_the_network_takes_its_output_once) {
  const Json good = inference_;
  for (std::size_t i = 0; i < transforms("postprocessing").size(); ++i) {
    const auto name = transforms("postprocessing")[i]["_target_"].get<std::string>();
    if (name == "SaveImaged") continue;
    transforms("postprocessing")[i]["keys"] = "image";
    expect_refusal(ErrorCode::model_unsupported, name);
    inference_ = good;
    transforms("postprocessing")[i]["keys"] = Json::array({"pred"});
    EXPECT_NO_THROW(read());
    if (name == "Invertd") {
      transforms("postprocessing").push_back(transforms("postprocessing")[i]);
      expect_refusal(ErrorCode::model_unsupported, "Invertd");
    }
    inference_ = good;
  }
}

TEST_F(MonaiBundle, A_label_that_no_channel_describes_is_refused) {
  take("mri_segresnet");
  auto function = transforms("postprocessing")[3]["func"].get<std::string>();
  const std::size_t end = function.find(')', function.rfind(','));
  ASSERT_EQ(function[end - 1], '0');
  function[end - 1] = '7';
  transforms("postprocessing")[3]["func"] = function;
  expect_refusal(ErrorCode::model_unsupported, "Lambdad");
}

/// Every class scores the same, below any threshold.
class Nothing final : public Executable {
 public:
  explicit Nothing(const ModelPackage& package)
      : classes_(std::get<MonaiInference>(package.inference).network.out_channels) {}
  Tensor run(const Tensor& input, const Job&) const override {
    std::vector<std::int64_t> shape = input.shape;
    shape[1] = classes_;
    return Tensor(shape, -9.0F);
  }

 private:
  std::int64_t classes_;
};

TEST_F(MonaiBundle, What_it_has_no_use_for_is_refused_when_it_runs) {
  ModelPackage package = read();
  package.doubts = {"one"};
  Geometry grid;
  grid.size = {20, 20, 20};
  std::vector<float> voxels(8000, 50.0F);
  const std::vector<ChannelView> channels{{grid, voxels.data()}};
  const LabelVolume labels(grid);
  const auto code = [&](const SegmentRequest& request, const std::vector<ChannelView>& given) {
    try {
      monai::run(Nothing(package), package, given, request, Job());
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::internal;
  };
  SegmentRequest mask, previous, probabilities, classes;
  mask.mask = previous.previous = &labels;
  probabilities.probabilities = classes.class_probabilities = true;
  for (const SegmentRequest& request : {mask, previous, probabilities, classes})
    EXPECT_EQ(code(request, channels), ErrorCode::usage);
  EXPECT_EQ(code({}, {}), ErrorCode::usage);
  EXPECT_EQ(monai::run(Nothing(package), package, channels, {}, Job()).doubts, package.doubts);
  voxels[77] = std::nanf("");
  EXPECT_EQ(code({}, channels), ErrorCode::precondition_unmet);
}

TEST_F(MonaiBundle, A_channel_that_lies_on_another_grid_is_told) {
  take("mri_segresnet");
  const ModelPackage package = read();
  Geometry grid, other;
  grid.size = other.size = {20, 20, 20};
  other.origin_mm = {1, 0, 0};
  const std::vector<float> voxels(8000, 50.0F);
  const Segmentation out = monai::run(
      Nothing(package), package,
      {{grid, voxels.data()}, {grid, voxels.data()}, {other, voxels.data()}, {grid, voxels.data()}}, {}, Job());
  EXPECT_EQ(out.corrections,
            std::vector<std::string>{"channel " + package.channels[2].name + " was resampled to the grid of channel " +
                                     package.channels[0].name});
  EXPECT_EQ(out.labels.voxels, std::vector<std::uint8_t>(8000, 0));
}

TEST(MonaiConfig, Literals_references_sums_and_choices_are_understood_and_nothing_else) {
  const monai::Config config(
      Json::parse(R"({"a": {"b": [1, 2.5]}, "high": false, "name": "x", "names": {"u": 1, "v": 2}})"));
  EXPECT_EQ(config.value("@a#b#1"), 2.5);
  EXPECT_EQ(config.value("@a::b::0"), 1);
  EXPECT_EQ(config.value("$[1.5, 2] if @high else (3, 4,)"), Json::parse("[3, 4]"));
  EXPECT_EQ(config.value("$@name + '/models/' + 'y'"), "x/models/y");
  EXPECT_EQ(config.value("$len(@names) + 1"), 3);
  EXPECT_EQ(config.value("$@a#b + [None, True]"), Json::parse("[1, 2.5, null, true]"));
  for (const char* text : {"$1 +", "$open('x')", "$@name.upper()", "$lambda x: x", "$'a' * 3", "$[1", "$1 2", "%file",
                           "$len('abc')", "$'a\\n'"})
    EXPECT_THROW(config.value(text), Error) << text;
  EXPECT_TRUE(config.value("$1 + 1").is_number_integer());
  EXPECT_EQ(config.value("$9223372036854775807 + 1"), 9223372036854775808.0);
  EXPECT_EQ(config.value("$1 if '' else 2"), 2);
}

TEST(MonaiConfig, What_references_repeat_is_bounded) {
  const Json root{{"text", std::string(1000000, 'a')}, {"list", Json(std::vector<int>(3000, 1))}};
  std::string many = "$[";
  for (int i = 0; i < 100; ++i) many += "@text, ";
  for (const std::string& text : {std::string("$@text + @text"), std::string("$@list + @list"), many + "]"}) {
    try {
      monai::Config(root).value(text);
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::model_invalid) << e.what();
    }
  }
}

TEST(MonaiWindow, Windows_begin_where_MONAI_begins_them) {
  // monai.data.utils.dense_patch_slices
  EXPECT_EQ(monai::window_starts(110, 64, 0.5), (std::vector<std::int64_t>{0, 32, 46}));
  EXPECT_EQ(monai::window_starts(240, 96, 0.25), (std::vector<std::int64_t>{0, 72, 144}));
  EXPECT_EQ(monai::window_starts(33, 24, 0.7), (std::vector<std::int64_t>{0, 7, 9}));
  EXPECT_EQ(monai::window_starts(20, 24, 0.5), (std::vector<std::int64_t>{0}));
}

TEST(MonaiWindow, Importance_is_a_Gaussian_round_the_middle_with_a_floor) {
  monai::Window window;
  window.gaussian = true;
  const Tensor map = monai::importance(window, {8, 1, 16});
  EXPECT_FLOAT_EQ(map.values[3 * 16 + 7], std::exp(-0.125F) * std::exp(-0.25F / 8));
  EXPECT_FLOAT_EQ(map.values[3 * 16 + 7], map.values[4 * 16 + 8]);
  EXPECT_FLOAT_EQ(map.values[0], 1e-3F);
}

// Values are their own place along x, which the linear sampling must give back.
TEST(MonaiArray, A_ramp_is_sampled_where_the_new_voxels_lie_and_comes_back) {
  monai::Array array{Tensor({1, 9, 4, 5}), {Vec3{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {1, 2, 3}};
  const auto ramp = [](std::size_t voxel) {
    const std::size_t x = voxel / 20;
    return static_cast<double>(x);
  };
  for (std::size_t i = 0; i < array.data.values.size(); ++i) array.data.values[i] = static_cast<float>(ramp(i));
  const monai::History history = monai::prepare(array, {monai::Respace{{1.6, 2, 3}}}, Job());
  ASSERT_EQ(array.size(), (Dhw{6, 4, 5}));
  for (std::int64_t x = 0; x < 6; ++x)
    EXPECT_NEAR(array.data.values[static_cast<std::size_t>(x * 20)], 1.6 * static_cast<double>(x), 1e-5);
  const Tensor back = monai::invert(array.data, history, false);
  ASSERT_EQ(back.shape, (std::vector<std::int64_t>{1, 9, 4, 5}));
  for (std::size_t i = 0; i < back.values.size(); ++i) EXPECT_NEAR(back.values[i], ramp(i), 1e-5);
}

// monai.transforms.NormalizeIntensity leaves a channel of zeros, and each other one its own numbers.
TEST(MonaiArray, A_channel_of_zeros_takes_no_number_of_the_next_one) {
  monai::Array array{Tensor({3, 1, 1, 2}), {Vec3{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {1, 1, 1}};
  array.data.values = {0, 0, 10, 0, 19, 27};
  monai::Normalize normalize;
  normalize.subtrahend = {1, 2, 3};
  normalize.divisor = {2, 4, 8};
  normalize.nonzero = normalize.channel_wise = true;
  monai::prepare(array, {normalize}, Job());
  EXPECT_EQ(array.data.values, (std::vector<float>{0, 0, 2, 0, 2, 3}));
}

TEST(MonaiArray, The_foreground_is_the_box_of_what_lies_above_zero_in_any_channel) {
  monai::Array array{Tensor({2, 5, 6, 7}), {Vec3{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {1, 1, 1}};
  array.data.values[(1 * 6 + 2) * 7 + 3] = 4;
  array.data.values[210 + (3 * 6 + 2) * 7 + 6] = 5;
  monai::prepare(array, {monai::CropForeground{}}, Job());
  EXPECT_EQ(array.size(), (Dhw{3, 1, 4}));
  EXPECT_EQ(array.data.values.front(), 4);
  EXPECT_EQ(array.data.values.back(), 5);
}

TEST(MonaiArray, More_voxels_than_any_image_has_are_refused) {
  monai::PadTo pad;
  pad.size = {4096, 4096, 4096};
  for (const monai::Transform& transform : {monai::Transform(monai::Respace{{0.001, 0.001, 0.001}}), {pad}}) {
    monai::Array array{Tensor({1, 4, 4, 4}), {Vec3{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {1, 1, 1}};
    try {
      monai::prepare(array, {transform}, Job());
      ADD_FAILURE() << transform.index();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::precondition_unmet) << e.what();
    }
  }
}

TEST(MonaiArray, Turning_cropping_and_padding_are_undone) {
  monai::Array array{Tensor({1, 5, 6, 7}), {Vec3{0, 0, -1}, {1, 0, 0}, {0, 1, 0}}, {1, 2, 3}};
  for (std::size_t i = 0; i < array.data.values.size(); ++i) array.data.values[i] = static_cast<float>(i + 1);
  const Tensor before = array.data;
  monai::PadTo pad;
  pad.size = {10, 11, 12};
  monai::CropForeground crop;
  crop.margin = {1, 1, 1};
  const monai::History history = monai::prepare(array, {monai::Orient{"RAS"}, crop, pad}, Job());
  EXPECT_EQ(array.size(), (Dhw{10, 11, 12}));
  EXPECT_EQ(array.spacing_mm, (Vec3{2, 3, 1}));
  EXPECT_EQ(array.axis[2], (Vec3{0, 0, 1}));
  EXPECT_EQ(monai::invert(array.data, history, true).values, before.values);
}

}  // namespace
