// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/resample.h"

namespace oncotome::engine {

/// What a step of the preparation did, for the report.
struct StepNote {
  std::string step;
  std::string note;
};

/// Channels as the network wants them, and how they lie in the patient.
struct Prepared {
  Geometry grid;    ///< Of `channels`, after orientation, resampling and crop.
  Tensor channels;  ///< [C,D,H,W]
  std::vector<StepNote> steps;
  std::vector<std::string> corrections, doubts;
};

/// One channel per ChannelSpec, none empty, every value finite. Throws Error{usage, precondition_unmet}.
void check_inputs(const ModelPackage& package, const std::vector<ChannelView>& channels);

/// Carries out the package's preparation; one channel per ChannelSpec, in its order. `mask` (on any grid, 0 or not)
/// replaces the foreground where it is given. Throws Error{precondition_unmet, usage}.
Prepared prepare(const ModelPackage& package, const std::vector<ChannelView>& channels, const LabelVolume* mask,
                 std::uint64_t seed, const Job& job);

}  // namespace oncotome::engine
