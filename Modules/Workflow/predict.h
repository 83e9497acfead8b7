// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/backend.h"
#include "oncotome/engine/model_package.h"

namespace oncotome::workflow {

struct PredictRequest {
  std::string input_folder, output_folder;
  std::vector<std::string> models;  ///< Folders or .zip; several are an ensemble.
  engine::ModelOptions options;
  std::string previous_folder;  ///< Labels of a cascade's first stage, `case<ending>`; empty: the stage is run.
  bool probabilities = false;   ///< `case.npz` as nnU-Net has it.
  bool skip_existing = false;
  int parts = 1, part = 0;  ///< Of the cases in order, every `parts`-th from `part` on.
  engine::Device device = engine::Device::automatic;
  int threads = 0;
  engine::Precision precision = engine::Precision::f32;
};

/// A folder of cases by nnU-Net's file names, `case_0000<ending>` per channel, to `case<ending>` with the labels; each
/// is whole or absent. Returns how many cases were done and skipped. Throws Error; a case that fails leaves those
/// before it, and its message tells its number in the order of names, not the name.
nlohmann::json predict_folder(const PredictRequest& request, const Job& job);

}  // namespace oncotome::workflow
