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

/// Between the neighbors in order, as NumPy's default; reorders the values, of which there is one at least.
double quantile(std::vector<float>& values, double q);

/// The correction to tell where a channel does not lie on the reference channel's grid.
std::string resampled_note(const ModelPackage& package, std::size_t channel);

/// Carries out the package's preparation; one channel per ChannelSpec, in its order. `mask` (on any grid, 0 or not)
/// replaces the foreground where it is given. Throws Error{precondition_unmet, usage}.
Prepared prepare(const ModelPackage& package, const std::vector<ChannelView>& channels, const LabelVolume* mask,
                 std::uint64_t seed, const Job& job);

}  // namespace oncotome::engine
