// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "config.h"
#include "oncotome/core/json.h"
#include "oncotome/training/training.h"
#include "samples.h"

namespace oncotome::training {

/// What a training came to.
struct Outcome {
  engine::Weights weights;
  std::vector<nlohmann::json> history;
  int best_epoch = 0;
  std::int64_t parameters = 0;
  double temperature = 1;
  nlohmann::json gate;            ///< As model.json has it, null without.
  std::vector<Diagram> diagrams;  ///< Of a network with classes.
  nlohmann::json measured;        ///< By part, "validation" and, where there is one, "test".
};

/// Writes the model package into a folder. Throws Error{output_unwritable}, and Error{model_invalid} when the engine
/// does not read what was written: a label or a code of the configuration is wrong then.
void write_package(const std::filesystem::path& folder, const Config& config, const Samples& samples,
                   const Outcome& outcome, const Request& request);

/// The model card, Markdown.
std::string model_card(const Config& config, const Samples& samples, const Outcome& outcome);

/// Throws Error{output_unwritable}.
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace oncotome::training
