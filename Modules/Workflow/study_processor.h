// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "inputs.h"
#include "oncotome/engine/backend.h"

namespace oncotome::workflow {

/// The results that can be written. `seg` and `sr` need DICOM input; report.json always comes.
inline const std::set<std::string> kFormats{"seg", "sr", "nrrd", "nifti", "png", "html"};
inline const std::set<std::string> kDefaultFormats{"seg", "sr", "nrrd", "png", "html"};

struct StudyRequest {
  InputRequest input;
  std::string model_folder;
  std::string output_folder;
  std::string mask_file;   ///< Optional NIfTI or NRRD mask of the body part.
  std::string truth_file;  ///< Optional label volume to compare with.
  std::set<std::string> formats = kDefaultFormats;
  engine::Device device = engine::Device::automatic;
  int threads = 0;  ///< 0: one per core.
  std::uint64_t seed = 0;
  bool replace = false;  ///< An output folder that exists.
};

/// The main job: reads the channels, segments, measures, and writes the result folder, whole or not at all.
/// Returns the content of report.json. Throws Error.
nlohmann::json process_study(const StudyRequest& request, const Job& job);

}  // namespace oncotome::workflow
