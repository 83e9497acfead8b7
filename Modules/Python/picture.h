// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "model_source.h"
#include "oncotome/core/job.h"
#include "oncotome/engine/classification.h"

namespace oncotome::python {

struct PictureRequest {
  ModelSource model;
  std::string path;                                  ///< Of a PNG, JPEG or DICOM image; empty: `values` are the image.
  const float* values = nullptr;                     ///< [height,width,channels], 0 to 255.
  std::int64_t height = 0, width = 0, channels = 0;  ///< One channel, gray, or three, RGB.
};

struct PictureResult {
  engine::ModelPackage package;
  engine::Classification classification;
  LabelVolume labels;  ///< Of one slice; empty where the model labels no pixels.
};

/// Says what a picture shows, and where. Throws Error alone.
PictureResult classify_picture(const PictureRequest& request, const Job& job);

}  // namespace oncotome::python
