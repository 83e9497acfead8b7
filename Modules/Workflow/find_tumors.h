// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "inputs.h"
#include "oncotome/engine/lesions.h"
#include "oncotome/engine/session.h"

namespace oncotome::workflow {

struct TumorRequest {
  LabelVolume mask;                                   ///< Of the body part; empty: none is given.
  std::string brain_model_folder;                     ///< Empty: the package beside the model.
  engine::Device device = engine::Device::automatic;  ///< Of the brain model, as the next two.
  engine::Precision precision = engine::Precision::f32;
  int threads = 0;  ///< 0: one per core.
  std::uint64_t seed = 0;
  bool probabilities = false, entropy = false;  ///< As engine::SegmentRequest has them.
  /// Voxels of the caller's, which are read where they are; null, or fewer than there are channels: those of the
  /// inputs.
  std::vector<const float*> voxels;
};

struct Tumors {
  engine::ModelPackage package;
  /// On the grid of the reference channel. Its notes and timings are of the whole way: those of the inputs and of the
  /// conditioning come first.
  engine::Segmentation segmentation;
  engine::LesionSet lesions;
};

/// Conditions the channels as the model wants it (in place; of the caller's voxels in copies), segments them and
/// measures the lesions, without a file and without DICOM: of resampled series, mark_unmeasured() is left to the
/// caller. Throws as condition(), engine::segment() and engine::find_lesions().
Tumors find_tumors(const engine::Model& model, StudyInputs& inputs, TumorRequest request, const Job& job);

}  // namespace oncotome::workflow
