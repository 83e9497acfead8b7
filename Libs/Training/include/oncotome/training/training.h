// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/engine/backend.h"
#include "oncotome/engine/calibration.h"
#include "oncotome/engine/tensor.h"

namespace oncotome::training {

/// A value per epoch, NaN where there is none; curves of one figure share an axis.
struct Curve {
  std::string figure, name;
  std::vector<double> values;
};

/// How often a network's answers are right, by its confidence.
struct Diagram {
  std::string title;
  engine::Reliability reliability;
};

/// What to train, and what the library is given by a program. The functions are called from the caller's thread, but
/// `read_image` from several at once.
struct Request {
  std::filesystem::path configuration;  ///< JSON file (schema oncotome.training/1); its paths begin at its folder.
  std::filesystem::path output;         ///< Instead of the configuration's, unless empty.
  bool resume = false;                  ///< Go on from the checkpoint beside the output, if there is one.
  bool overwrite = false;               ///< Replace the output, and what a run that was ended left.
  int threads = 0;                      ///< One per core.
  engine::Device device = engine::Device::automatic;
  /// f32, or bf16: mixed precision, products of bfloat16 and all else in float32.
  engine::Precision precision = engine::Precision::f32;
  /// Raw values [1,C,D,H,W] of an image file, D = 1 of a picture. Throws Error.
  std::function<engine::Tensor(const std::string& path, std::int64_t channels)> read_image;
  std::function<void(const std::string& path, const std::vector<Curve>& curves)> draw_curves;
  std::function<void(const std::string& path, const std::vector<Diagram>& diagrams)> draw_reliability;
  std::function<void(const std::string& line)> log;
};

/// Trains a network and writes a model package: model.json, weights.safetensors, metrics.jsonl, curves.png, README.md,
/// and of a network with classes reliability.png, before and after calibration on the validation part. Beside it,
/// "<output>.training" holds the last checkpoint until the package is whole; a run that goes on from one ends with the
/// same bits as one that was never ended. `summary` gets what was measured as JSON. Throws Error{usage, input_*,
/// precondition_unmet, model_*, weights_invalid, output_*, result_not_finite, device_unavailable, cancelled}.
using Train = void (*)(const Request& request, const Job& job, std::string& summary);

/// The library, loaded on first need as the LibTorch backend is, and the symbol of that type that it exports.
constexpr const char* kLibrary = "liboncotome_training.so";
constexpr const char* kTrain = "oncotome_train";

}  // namespace oncotome::training
