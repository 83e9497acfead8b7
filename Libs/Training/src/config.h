// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oncotome/core/json.h"
#include "oncotome/engine/classification.h"
#include "oncotome/engine/graph.h"
#include "oncotome/engine/networks.h"

namespace oncotome::training {

using Range = std::pair<double, double>;

/// What is changed at random in an image of the training part, in the network's grid; intensities are 0 to 1 there.
struct Augmentation {
  std::vector<int> flip_axes;  ///< Of D, H, W, each with a chance of a half.
  double rotation_degrees = 0, shear_degrees = 0;
  Range scale{1, 1};
  double shift = 0;    ///< Share of the extent.
  double elastic = 0;  ///< Greatest displacement of a smooth random bend, as a share of the extent.
  Range gamma{1, 1}, contrast{1, 1};
  double brightness = 0, noise = 0;      ///< Greatest shift of, and deviation added to, the intensity.
  double bias_field = 0;                 ///< Greatest logarithm of a gain that varies smoothly over the image.
  double cutout = 0;                     ///< Share of each extent that a box set to the mean covers at most.
  double mixup = 0;                      ///< Beta(mixup, mixup) (arXiv:1710.09412).
  std::optional<engine::Dhw> crop_from;  ///< Grid that patches of the network's size are cut from.
  double crop_foreground = 0;            ///< Chance that a patch lies round a voxel of the mask.
};

/// Where the images are and how they are split.
struct DataConfig {
  std::filesystem::path manifest, folder;  ///< One of them.
  enum class Split { part, group, fraction } split = Split::fraction;
  double validation = 0.2, test = 0;  ///< Shares, unless the manifest says it.
  double cache_mib = 4096;
};

struct LossConfig {
  double label_smoothing = 0;
  bool balanced = false;              ///< Class weights n / (K n_k).
  std::vector<double> class_weights;  ///< Or these.
  double dice = 1, cross_entropy = 1;
  bool dice_per_image = false;                  ///< The mean of the images' Dice, not that of the batch as one.
  double segmentation = 1, classification = 1;  ///< Weights of the heads.
};

struct OptimizerConfig {
  bool adamw = true;  ///< Or SGD.
  double learning_rate = 1e-3, weight_decay = 1e-2, momentum = 0.9;
  std::pair<double, double> betas{0.9, 0.999};
  double epsilon = 1e-8;
  double clip_norm = 0;  ///< Of all gradients together; 0: none.
  double average = 0;    ///< Decay of the moving average of the weights that is validated and written; 0: none.
};

struct ScheduleConfig {
  enum class Kind { constant, cosine, step } kind = Kind::cosine;
  double warmup_epochs = 0, step_epochs = 10, factor = 0.1;
  double floor = 0;  ///< Share of the learning rate that the cosine ends at.
};

struct Config {
  std::string name, title, version, intended_use, license, origin;
  std::filesystem::path output;
  std::uint64_t seed = 1;
  nlohmann::json input, labels, classes;   ///< As model.json has them; null where they are not given.
  std::vector<std::uint8_t> class_labels;  ///< Label of each output of the segmentation head.
  std::vector<std::string> mirrors;
  double min_lesion_mm3 = 0;
  std::string label_decision;
  DataConfig data;
  engine::NetworkConfig network;  ///< `classes` is -1 where it follows from the data.
  nlohmann::json image_json;
  engine::ImagePreparation image;
  std::filesystem::path initial_weights;
  std::vector<std::string> frozen;
  LossConfig loss;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  Augmentation augmentation;
  int epochs = 50, batch_size = 32;
  int patience = 0;      ///< Epochs without a better validation that end the training; 0: none do.
  int refit_epochs = 0;  ///< After those, from the images of the validation part too.
  double checkpoint_minutes = 5;
  int checkpoint_steps = 0;
  nlohmann::json json;  ///< As it was read.
};

/// Throws Error{usage, input_not_found} that names the key; unknown keys are errors.
Config read_config(const std::filesystem::path& path);

}  // namespace oncotome::training
