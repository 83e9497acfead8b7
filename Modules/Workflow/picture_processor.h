// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "inputs.h"
#include "oncotome/core/job.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/backend.h"
#include "oncotome/engine/model_package.h"

namespace oncotome::workflow {

struct PicturesRequest {
  std::vector<std::string> paths;   ///< Pictures, DICOM images, folders of either with their subfolders.
  InputRequest study;               ///< Or its lesions,
  std::string lesions;              ///< outlined by this mask.
  std::vector<std::string> models;  ///< Packages for images, each a folder or .zip; several are an ensemble.
  std::string output_folder;
  bool masks = false;            ///< The labels of each picture too, as masks/<name>.png.
  engine::ImageOptions options;  ///< Entropies of labels are written as entropy/<name>.png.
  int batch = 16;                ///< Pictures that go through the network together.
  engine::Device device = engine::Device::automatic;
  int threads = 0;  ///< 0: one per core.
  engine::Precision precision = engine::Precision::f32;
  bool replace = false;  ///< An output folder that exists.
  int heat_maps = 0;     ///< Of the first so many images with a class, as heat/<name>.png and in report.html.
};

/// Classes (and labels) of single images: writes report.json, predictions.csv where the model has classes, masks and
/// heat maps with report.html, whole or not at all. What cannot be read is listed, and the others go on. Returns the
/// content of report.json (schema oncotome.pictures/1). Throws Error, that of the first image when none could be read.
nlohmann::json process_pictures(const PicturesRequest& request, const Job& job);

/// Whether inputs of a package are images each for itself: it is one for images, and there are PNG or JPEG among them
/// or its modality knows no volumes.
bool are_single_images(const std::vector<std::string>& paths, const engine::ModelPackage& package);

}  // namespace oncotome::workflow
