// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "inputs.h"
#include "oncotome/engine/session.h"

namespace oncotome::workflow {

struct ConditioningRequest {
  std::string brain_model_folder;  ///< Empty: the package of that name beside the model's folder.
  engine::Device device = engine::Device::automatic;
  int threads = 0;
  engine::Precision precision = engine::Precision::f32;
  bool has_mask = false;  ///< Of the body part: then no brain is extracted.
};

/// What conditioning did, for the report.
struct Conditioning {
  LabelVolume brain;  ///< Mask on the grid of the channel it was found in; empty when none was needed.
  std::vector<engine::StepNote> steps;
  std::vector<std::string> corrections, doubts;
};

/// The steps of a package's preparation that need whole channels: register to the reference channel (moves a channel's
/// geometry, resamples nothing), correct bias fields, extract the brain. Throws Error{grid_mismatch when a registration
/// cannot be believed, precondition_unmet, model_*, cancelled}.
Conditioning condition(const engine::ModelPackage& package, StudyInputs& inputs, const ConditioningRequest& request,
                       const Job& job);

}  // namespace oncotome::workflow
