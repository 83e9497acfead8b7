// SPDX-License-Identifier: Apache-2.0
#include "nnunet/plans.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "nnunet/package.h"
#include "oncotome/core/error.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;
using namespace oncotome::engine::nnunet;
using nlohmann::ordered_json;

// As nnU-Net's planner writes them, but for the cascade's stage that tells what it has of its own.
ordered_json good_plans() {
  return ordered_json::parse(R"({
    "dataset_name": "Dataset001_Toy", "plans_name": "nnUNetPlans", "image_reader_writer": "NibabelIOWithReorient",
    "transpose_forward": [1, 2, 0], "transpose_backward": [2, 0, 1], "label_manager": "LabelManager",
    "foreground_intensity_properties_per_channel": {
      "0": {"mean": 40.5, "std": 20, "percentile_00_5": -100, "percentile_99_5": 300, "min": -1000, "max": 3000}},
    "configurations": {
      "3d_fullres": {
        "preprocessor_name": "DefaultPreprocessor", "patch_size": [16, 32, 48], "spacing": [3, 0.75, 0.5],
        "normalization_schemes": ["CTNormalization"], "use_mask_for_norm": [false], "next_stage": null,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": false, "order": 3, "order_z": 0, "force_separate_z": null},
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": {"is_seg": true, "order": 1, "order_z": 0, "force_separate_z": null},
        "resampling_fn_probabilities": "resample_torch_fornnunet",
        "resampling_fn_probabilities_kwargs": {"is_seg": false, "memefficient_seg_resampling": true, "device": "cuda"},
        "architecture": {
          "network_class_name": "some.other.module.PlainConvUNet",
          "arch_kwargs": {
            "n_stages": 3, "features_per_stage": [4, 6, 8], "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[1, 3, 3], [3, 3, 3], 3], "strides": [[1, 1, 1], [1, 2, 2], 2],
            "n_conv_per_stage": [2, 2, 3], "n_conv_per_stage_decoder": 2, "conv_bias": true,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-3, "affine": true},
            "dropout_op": null, "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": true}},
          "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}},
      "3d_lowres": {"inherits_from": "3d_fullres", "spacing": [6, 1.5, 1], "next_stage": "3d_cascade_fullres"},
      "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
      "cascade_small": {"inherits_from": "3d_cascade_fullres", "patch_size": [16, 16, 16]}}})");
}

ordered_json good_dataset() {
  return ordered_json::parse(R"({"channel_names": {"0": "CT"}, "labels": {"background": 0, "tumor": 2, "organ": 1},
                                 "numTraining": 5, "file_ending": ".nii.gz"})");
}

ordered_json old_configuration() {
  return ordered_json::parse(R"({
    "preprocessor_name": "DefaultPreprocessor", "patch_size": [32, 48], "spacing": [0.5, 0.75],
    "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [true],
    "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_data_kwargs": {},
    "resampling_fn_seg": "no_resampling_hack", "resampling_fn_seg_kwargs": {},
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "UNet_class_name": "ResidualEncoderUNet", "UNet_base_num_features": 6, "unet_max_num_features": 20,
    "n_conv_per_stage_encoder": [1, 2, 3], "n_conv_per_stage_decoder": [2, 1], "num_pool_per_axis": [2, 1],
    "pool_op_kernel_sizes": [[1, 1], [2, 1], [2, 2]], "conv_kernel_sizes": [[3, 3], [3, 1], [5, 3]]})");
}

class NnunetPlans : public testing::Test {
 protected:
  Configuration read(const std::string& name = "3d_fullres") const {
    return read_configuration(plans_, read_plans(plans_, dataset_), name);
  }
  void expect(ErrorCode code, const std::string& words, const std::string& name = "3d_fullres") const {
    try {
      read(name);
      ADD_FAILURE() << "not refused: " << words;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what() << "\nlacks: " << words;
    }
  }

  ordered_json plans_ = good_plans(), dataset_ = good_dataset();
};

TEST_F(NnunetPlans, Everything_that_inference_needs_is_read) {
  const Plans plans = read_plans(plans_, dataset_);
  EXPECT_EQ(plans.dataset_name, "Dataset001_Toy");
  EXPECT_TRUE(plans.reorients);
  EXPECT_EQ(plans.file_ending, ".nii.gz");
  EXPECT_EQ(plans.transpose_forward, (std::array<std::size_t, 3>{1, 2, 0}));
  EXPECT_EQ(plans.transpose_backward, (std::array<std::size_t, 3>{2, 0, 1}));
  EXPECT_EQ(plans.channel_names, std::vector<std::string>{"CT"});
  EXPECT_EQ(plans.intensities[0].mean, 40.5);
  EXPECT_EQ(plans.intensities[0].percentile_00_5, -100);
  EXPECT_EQ(plans.labels.entries[1].name, "tumor");
  EXPECT_EQ(plans.labels.foreground(), (std::vector<int>{1, 2}));
  EXPECT_EQ(plans.labels.classes(), (std::vector<std::uint8_t>{0, 1, 2}));

  const Configuration c = read();
  EXPECT_EQ(c.spacing_mm, (std::vector<double>{3, 0.75, 0.5}));
  EXPECT_EQ(c.patch_size, (Dhw{16, 32, 48}));
  EXPECT_EQ(c.normalization, std::vector<Normalization>{Normalization::ct});
  EXPECT_EQ(c.resample_data.order, 3);
  EXPECT_EQ(c.resample_data.force_separate_z, std::nullopt);
  EXPECT_EQ(c.resample_labels.order, 1);
  EXPECT_EQ(c.resample_logits.function, Resampling::Function::torch);
  EXPECT_TRUE(c.resample_logits.memory_efficient_labels);
  EXPECT_EQ(c.network.kernel_sizes, (std::vector<Dhw>{{1, 3, 3}, {3, 3, 3}, {3, 3, 3}}));
  EXPECT_EQ(c.network.strides, (std::vector<Dhw>{{1, 1, 1}, {1, 2, 2}, {2, 2, 2}}));
  EXPECT_EQ(c.network.encoder_convs, (std::vector<int>{2, 2, 3}));
  EXPECT_EQ(c.network.decoder_convs, (std::vector<int>{2, 2}));
  EXPECT_EQ(c.network.epsilon, 1e-3);
  EXPECT_EQ(c.network.leaky_slope, 0.01);
  EXPECT_EQ(c.network.in_channels, 1);
  EXPECT_EQ(c.network.out_channels, 3);
}

TEST_F(NnunetPlans, A_configuration_inherits_what_it_does_not_say) {
  const Configuration low = read("3d_lowres"), cascade = read("3d_cascade_fullres"), small = read("cascade_small");
  EXPECT_EQ(low.spacing_mm, (std::vector<double>{6, 1.5, 1}));
  EXPECT_EQ(low.patch_size, (Dhw{16, 32, 48}));
  EXPECT_EQ(low.previous_stage, "");
  EXPECT_EQ(cascade.previous_stage, "3d_lowres");
  EXPECT_EQ(cascade.network.in_channels, 3);
  EXPECT_EQ(small.previous_stage, "3d_lowres");
  EXPECT_EQ(small.patch_size, (Dhw{16, 16, 16}));
}

TEST_F(NnunetPlans, Plans_and_datasets_of_old_are_read) {
  plans_["configurations"]["2d"] = old_configuration();
  plans_["foreground_intensity_properties_by_modality"] = plans_["foreground_intensity_properties_per_channel"];
  plans_.erase("foreground_intensity_properties_per_channel");
  plans_.erase("label_manager");
  dataset_["modality"] = {{"1", "second"}, {"0", "first"}};
  plans_["configurations"]["2d"]["normalization_schemes"] = {"CTNormalization", "NoNormalization"};
  plans_["configurations"]["2d"]["use_mask_for_norm"] = {true, false};
  const Plans plans = read_plans(plans_, dataset_);
  EXPECT_EQ(plans.channel_names, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(plans.intensities[0].std, 20);
  const Configuration c = read("2d");
  EXPECT_TRUE(c.is_2d());
  EXPECT_EQ(c.patch_size, (Dhw{1, 32, 48}));
  EXPECT_EQ(c.use_mask_for_norm, (std::vector<bool>{true, false}));
  EXPECT_TRUE(c.network.residual_encoder);
  EXPECT_TRUE(c.network.conv_bias);
  EXPECT_EQ(c.network.features, (std::vector<std::int64_t>{6, 12, 20}));
  EXPECT_EQ(c.network.stem_channels, 6);
  EXPECT_EQ(c.network.kernel_sizes, (std::vector<Dhw>{{1, 3, 3}, {1, 3, 1}, {1, 5, 3}}));
  EXPECT_EQ(c.network.strides, (std::vector<Dhw>{{1, 1, 1}, {1, 2, 1}, {1, 2, 2}}));
  EXPECT_EQ(c.network.encoder_convs, (std::vector<int>{1, 2, 3}));
  // The functions' own defaults: order 3, never an axis apart.
  EXPECT_EQ(c.resample_logits.order, 3);
  EXPECT_EQ(c.resample_logits.force_separate_z, false);
  EXPECT_EQ(c.resample_labels.function, Resampling::Function::none);
}

TEST_F(NnunetPlans, Regions_keep_the_order_of_the_file_and_set_what_they_are_told_to) {
  dataset_["labels"] = ordered_json::parse(
      R"({"background": 0, "whole": [1, 2, 4], "nothing": [0], "core": [1, 4], "enhancing": [4], "ignore": 5})");
  dataset_["regions_class_order"] = {2, 1, 4};
  const Labels labels = read_plans(plans_, dataset_).labels;
  EXPECT_TRUE(labels.has_regions());
  EXPECT_EQ(labels.ignore, 5);
  EXPECT_EQ(labels.classes(), (std::vector<std::uint8_t>{2, 1, 4}));
  EXPECT_EQ(labels.foreground(), (std::vector<int>{1, 2, 4}));
  EXPECT_EQ(labels.entries[3].values, (std::vector<int>{1, 4}));
  EXPECT_EQ(read().network.out_channels, 3);
}

TEST_F(NnunetPlans, An_order_of_regions_means_nothing_where_each_label_is_one_value) {
  dataset_["labels"]["tumor"] = {2};
  dataset_["regions_class_order"] = {2, 1};
  EXPECT_FALSE(read_plans(plans_, dataset_).labels.has_regions());
}

TEST_F(NnunetPlans, Cycles_are_refused_with_their_names) {
  const ordered_json good = plans_;
  plans_["configurations"]["3d_fullres"]["inherits_from"] = "cascade_small";
  expect(ErrorCode::model_invalid, "3d_fullres -> cascade_small -> 3d_cascade_fullres -> 3d_fullres");
  plans_ = good;
  plans_["configurations"]["3d_fullres"]["inherits_from"] = "3d_fullres";
  expect(ErrorCode::model_invalid, "3d_fullres -> 3d_fullres");
  plans_ = good;
  plans_["configurations"]["3d_lowres"]["previous_stage"] = "3d_cascade_fullres";
  expect(ErrorCode::model_invalid, "'3d_lowres'", "3d_lowres");
  expect(ErrorCode::model_invalid, "cycle", "cascade_small");
}

TEST_F(NnunetPlans, What_is_wrong_in_the_plans_is_refused_with_its_place) {
  constexpr ErrorCode kInvalid = ErrorCode::model_invalid, kUnsupported = ErrorCode::model_unsupported;
  const std::string network = "/configurations/3d_fullres/architecture/arch_kwargs/",
                    here = "/configurations/3d_fullres/";
  const struct {
    std::string pointer, value;
    ErrorCode code;
    const char* words;
  } cases[] = {
      {"/image_reader_writer", R"("PngIO")", kUnsupported, "image_reader_writer is \"PngIO\""},
      {"/image_reader_writer", "3", kInvalid, "image_reader_writer must be a text"},
      {"/label_manager", R"("my.Manager")", kUnsupported, "my.Manager"},
      {"/transpose_forward", "[0, 1]", kInvalid, "transpose_forward must be a list of 3"},
      {"/transpose_forward", "[0, 1, 1]", kInvalid, "transpose_forward must name each axis once"},
      {"/transpose_forward", "[0, 1, -1]", kInvalid, "transpose_forward must lie between 0"},
      {"/transpose_backward", "[0, 1, 2]", kInvalid, "transpose_backward does not undo"},
      {"/configurations", "{}", kInvalid, "configurations must name"},
      {"/configurations", "[1]", kInvalid, "configurations must name"},
      {"/foreground_intensity_properties_per_channel", "null", kInvalid, "foreground_intensity_properties"},
      {"/foreground_intensity_properties_per_channel", "{}", kInvalid, "lacks '0'"},
      {"/foreground_intensity_properties_per_channel/0/std", "-1", kInvalid, "std must lie between"},
      {"/foreground_intensity_properties_per_channel/0/mean", R"("x")", kInvalid, "mean must be a number"},
      {"/foreground_intensity_properties_per_channel/0/percentile_00_5", "301", kInvalid, "percentiles"},
      {here + "inherits_from", R"("4d")", kInvalid, "lacks '4d'"},
      {here + "inherits_from", R"("4\nd")", kInvalid, "lacks '4?d'"},
      {here + "previous_stage", R"("4d")", kInvalid, "lacks '4d'"},
      {here + "preprocessor_name", R"("MyPreprocessor")", kUnsupported, "MyPreprocessor"},
      {here + "patch_size", "[16, 32]", kInvalid, "conv_op does not fit the patch size"},
      {here + "patch_size", "[16]", kInvalid, "patch_size must be a list of 2 to 3"},
      {here + "patch_size", "[16, 32, 47]", kInvalid, "patch_size must be divisible"},
      {here + "patch_size", "[16, 32, 4096]", kInvalid, "patch_size must lie between"},
      {here + "patch_size", "[2048, 2048, 2048]", kInvalid, "patch_size must be of 2^28"},
      {here + "patch_size", "[16, 32, 48.5]", kInvalid, "patch_size must be a whole number"},
      {here + "patch_size", "[16, 32, 1e300]", kInvalid, "patch_size must lie between"},
      {here + "spacing", "[1, 1]", kInvalid, "spacing must be a list of 3"},
      {here + "spacing", "[0, 1, 1]", kInvalid, "spacing must lie between"},
      {here + "normalization_schemes", "[]", kInvalid, "normalization_schemes must be a list"},
      {here + "normalization_schemes", R"(["Magic"])", kUnsupported, "Magic"},
      {here + "use_mask_for_norm", "[0]", kInvalid, "use_mask_for_norm must be true or false"},
      {here + "resampling_fn_data", R"("my_resampling")", kUnsupported, "resampling_fn_data is \"my_resampling\""},
      {here + "resampling_fn_data", "null", kInvalid, "lacks 'resampling_fn_data'"},
      {here + "resampling_fn_data_kwargs/order", "2", kUnsupported, "order is 2"},
      {here + "resampling_fn_data_kwargs/order_z", "1", kUnsupported, "order_z is 1"},
      {here + "resampling_fn_data_kwargs/is_seg", "true", kInvalid, "resampling_fn_data_kwargs"},
      {here + "resampling_fn_data_kwargs/mode", R"("linear")", kUnsupported, "mode"},
      {here + "resampling_fn_data_kwargs/separate_z_anisotropy_threshold", "4", kUnsupported, "threshold is 4"},
      {here + "resampling_fn_probabilities_kwargs/mode", R"("nearest")", kUnsupported, "mode is \"nearest\""},
      {here + "resampling_fn_probabilities_kwargs/aniso_axis_mode", R"("nearest")", kUnsupported, "aniso_axis_mode"},
      {here + "architecture/network_class_name", R"("a.b.UNETR")", kUnsupported, "a.b.UNETR"},
      {here + "architecture", "null", kInvalid, "lacks 'UNet_class_name'"},
      {network + "n_stages", "4", kInvalid, "features_per_stage must be a list of 4"},
      {network + "n_stages", "1", kInvalid, "n_stages must lie between 2"},
      {network + "n_stages", "1000000000000", kInvalid, "n_stages must lie between 2"},
      {network + "features_per_stage", "[4, 6, 5000]", kInvalid, "features_per_stage must lie between"},
      {network + "conv_op", R"("torch.nn.Conv2d")", kInvalid, "conv_op does not fit"},
      {network + "kernel_sizes", "[3, 3, 4]", kInvalid, "odd"},
      {network + "kernel_sizes", "[[3, 3], 3, 3]", kInvalid, "kernel_sizes must be a list of 3"},
      {network + "strides", "[2, 2, 2]", kInvalid, "first stage"},
      {network + "strides", "[1, 0, 2]", kInvalid, "strides must lie between"},
      {network + "n_conv_per_stage", "[2, 2, 0]", kInvalid, "n_conv_per_stage must lie between"},
      {network + "n_blocks_per_stage", "2", kUnsupported, "n_blocks_per_stage"},
      {network + "norm_op", R"("torch.nn.GroupNorm")", kUnsupported, "torch.nn.GroupNorm"},
      {network + "norm_op_kwargs", "null", kUnsupported, "normalization without weights"},
      {network + "norm_op_kwargs/track_running_stats", "true", kUnsupported, "statistics"},
      {network + "nonlin", R"("torch.nn.GELU")", kUnsupported, "torch.nn.GELU"},
      {network + "nonlin_kwargs/negative_slope", "2", kInvalid, "negative_slope must lie between"},
      {network + "attention", "true", kUnsupported, "attention is true"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.pointer + " " + c.value);
    plans_ = good_plans();
    plans_[ordered_json::json_pointer(c.pointer)] = ordered_json::parse(c.value);
    expect(c.code, c.words);
  }
  plans_ = good_plans();
  expect(kInvalid, "lacks '3d_other'", "3d_other");
  constexpr std::size_t kDeep = 200000;
  plans_["note"] = ordered_json::parse(std::string(kDeep, '[') + std::string(kDeep, ']'));
  expect(kInvalid, "nests its values too deeply");
}

TEST_F(NnunetPlans, What_is_wrong_in_the_dataset_is_refused_with_its_place) {
  const struct {
    const char *pointer, *value;
    ErrorCode code;
    const char* words;
  } cases[] = {
      {"/labels", "{}", ErrorCode::model_invalid, "lacks 'background'"},
      {"/labels", "[0, 1]", ErrorCode::model_invalid, "labels must be an object"},
      {"/labels/background", "1", ErrorCode::model_invalid, "background must be 0"},
      {"/labels/background", "[0]", ErrorCode::model_invalid, "background must be 0"},
      {"/labels/tumor", "-2", ErrorCode::model_invalid, "tumor must lie between 0"},
      {"/labels/tumor", "2.5", ErrorCode::model_invalid, "tumor must be a whole number"},
      {"/labels/tumor", R"("2")", ErrorCode::model_invalid, "tumor must be a number"},
      {"/labels/tumor", "3", ErrorCode::model_invalid, "without a gap"},
      {"/labels/tumor", "256", ErrorCode::model_unsupported, "above 255"},
      {"/labels/tumor", "[1, 2]", ErrorCode::model_invalid, "lacks 'regions_class_order'"},
      {"/labels/ignore", "2", ErrorCode::model_invalid, "ignore must be the label after the highest"},
      {"/labels/ignore", "[3]", ErrorCode::model_invalid, "ignore must be one number"},
      {"/file_ending", R"("/../x")", ErrorCode::model_invalid, "file_ending must be the end"},
      {"/channel_names", "{}", ErrorCode::model_invalid, "channel_names must name"},
      {"/channel_names", R"({"1": "CT"})", ErrorCode::model_invalid, "lacks '0'"},
      {"/channel_names", R"(["CT"])", ErrorCode::model_invalid, "channel_names must name"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.pointer) + " " + c.value);
    dataset_ = good_dataset();
    dataset_[ordered_json::json_pointer(c.pointer)] = ordered_json::parse(c.value);
    expect(c.code, c.words);
  }
  dataset_ = good_dataset();
  dataset_["labels"]["tumor"] = {1, 2};
  dataset_["regions_class_order"] = {1};
  expect(ErrorCode::model_invalid, "regions_class_order must be a list of 2");
}

class NnunetFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "fold_0");
    std::ofstream(folder_ / "plans.json") << good_plans().dump();
    std::ofstream(folder_ / "dataset.json") << good_dataset().dump();
  }
  void TearDown() override { std::filesystem::remove_all(folder_.parent_path()); }

  // The checkpoint as a safetensors file, which holds the same.
  std::vector<int> mirrored(const std::string& axes) {
    const std::string header =
        R"({"__metadata__": {"network_weights": {}, "inference_allowed_mirroring_axes": )" + axes + "}}";
    std::string size(8, '\0');
    size[0] = static_cast<char>(header.size());
    std::ofstream(folder_ / "fold_0/checkpoint_final.pth", std::ios::binary) << size << header;
    return std::get<NnUnetInference>(read_package({folder_.string()}, {}).inference).ensemble[0].mirror_axes;
  }
  static ErrorCode refusal(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::internal;
  }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) /
                                        ("nnunet-" + std::to_string(::getpid())) / "nnUNetTrainer__p__3d_fullres";
};

TEST_F(NnunetFolder, Mirroring_axes_are_those_of_the_network_each_once) {
  EXPECT_EQ(mirrored("[0, 2]"), (std::vector<int>{0, 2}));
  EXPECT_EQ(mirrored("null"), std::vector<int>());
  for (const char* wrong : {"[0, 0]", "[3]", "[-1]", "[0.5]", "[1e54]", "[\"a\"]", "[0, 1, 2, 0, 0, 0, 0, 0]"})
    EXPECT_EQ(refusal([&] { mirrored(wrong); }), ErrorCode::model_invalid) << wrong;
}

TEST_F(NnunetFolder, Steps_that_would_take_windows_without_end_are_refused) {
  ModelOptions options;
  for (const double step : {1e-30, 0.0, 1.5}) {
    options.step = step;
    EXPECT_EQ(refusal([&] { read_package({folder_.string()}, options); }), ErrorCode::usage) << step;
  }
}

// nnunetv2 2.8.1 read these very files; Testing/Golden/make_nnunet_fixtures.py tells how they are made.
TEST_F(NnunetPlans, The_folders_that_nnunet_has_run_are_read) {
  namespace fs = std::filesystem;
  int folders = 0;
  for (const auto& entry : fs::recursive_directory_iterator(ONCOTOME_FIXTURES "/nnunet")) {
    if (entry.path().filename() != "plans.json") continue;
    SCOPED_TRACE(entry.path());
    const fs::path folder = entry.path().parent_path();
    plans_ = ordered_json::parse(std::ifstream(folder / "plans.json"));
    dataset_ = ordered_json::parse(std::ifstream(folder / "dataset.json"));
    const std::string name = folder.filename();
    EXPECT_NO_THROW(read(name.substr(name.rfind("__") + 2)));
    EXPECT_EQ(trainer_traits(name.substr(0, name.find("__"))).doubt, "");
    ++folders;
  }
  EXPECT_GE(folders, 8);
}

TEST(TrainerTraits, Only_batch_normalization_changes_the_network_and_strangers_raise_a_doubt) {
  for (const char* name :
       {"nnUNetTrainer", "nnUNetTrainerNoMirroring", "nnUNetTrainer_4000epochs_NoMirroring",
        "nnUNetTrainerDA5_10epochs", "nnUNetTrainer_onlyMirror01_1500ep", "nnUNetTrainer_DASegOrd0_NoMirroring",
        "nnUNetTrainerNoDeepSupervision", "nnUNetTrainerAdan1en3", "nnUNetTrainerDiceTopK10Loss",
        "nnUNetTrainer_probabilisticOversampling_033", "nnUNetTrainerBenchmark_5epochs_noDataLoading",
        "nnUNetTrainerTopk10LossLS01"}) {
    EXPECT_EQ(trainer_traits(name).doubt, "") << name;
    EXPECT_FALSE(trainer_traits(name).batch_norm) << name;
  }
  EXPECT_TRUE(trainer_traits("nnUNetTrainerBN").batch_norm);
  EXPECT_EQ(trainer_traits("nnUNetTrainerBN").doubt, "");
  for (const char* name : {"nnUNetTrainerUMambaBot", "nnUNet_Primus_M_Trainer", "STUNetTrainer", "x"})
    EXPECT_NE(trainer_traits(name).doubt, "") << name;
}

}  // namespace
