// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oncotome/core/job.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/backend.h"

namespace oncotome::workflow {

struct ExplainRequest {
  std::string image;  ///< A picture or a DICOM image; for a model of volumes a NIfTI, an NRRD or a DICOM series.
  std::string model;  ///< A package for images, with classes: its folder or .zip.
  std::string output_folder;
  std::string layer;       ///< Empty: the last before the classification head.
  std::string class_name;  ///< Empty: the most probable.
  engine::Device device = engine::Device::automatic;
  int threads = 0;  ///< 0: one per core.
  bool replace = false;
};

/// What a model looks at: writes gradcam.png, features_<layer>.png, filters.png and explanation.json, whole or not at
/// all. Returns the content of explanation.json (schema oncotome.explanation/1). Throws Error.
nlohmann::json explain_image(const ExplainRequest& request, const Job& job);

}  // namespace oncotome::workflow
