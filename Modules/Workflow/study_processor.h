// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "inputs.h"
#include "oncotome/core/json.h"
#include "oncotome/dicom/segmentation.h"
#include "oncotome/engine/backend.h"

namespace oncotome::workflow {

struct StudyRequest {
  InputRequest input;
  std::vector<std::string> models;  ///< Folders or .zip; several nnU-Nets are an ensemble.
  engine::ModelOptions model_options;
  std::string output_folder;
  std::string classifier_folder;   ///< Package that says what each lesion is; empty: the model itself, if it can.
  std::string brain_model_folder;  ///< For a model that extracts the brain; empty: the package beside the model.
  std::string mask_file;           ///< Optional NIfTI or NRRD mask of the body part.
  std::string truth_file;          ///< Optional label volume to compare with.
  /// Of seg, seg-fractional, labelmap, sr, rtstruct, sc, nrrd, nifti, png, html; empty: nrrd, png, html, and seg and sr
  /// when the input is DICOM. report.json always comes.
  std::set<std::string> formats;
  bool entropy = false;  ///< entropy.nii.gz too: of the labels' probabilities at each voxel, in nats.
  bool regions = false;  ///< The package's regions as further segments.
  dicom::EmptyFrames empty_frames = dicom::EmptyFrames::automatic;
  engine::Device device = engine::Device::automatic;
  int threads = 0;  ///< 0: one per core.
  engine::Precision precision = engine::Precision::f32;
  std::uint64_t seed = 0;
  bool replace = false;  ///< An output folder that exists.
};

/// The main job: reads the channels, segments, measures, and writes the result folder, whole or not at all.
/// Returns the content of report.json. Throws Error.
nlohmann::json process_study(const StudyRequest& request, const Job& job);

}  // namespace oncotome::workflow
