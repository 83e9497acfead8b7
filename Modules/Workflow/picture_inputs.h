// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inputs.h"
#include "oncotome/core/job.h"
#include "oncotome/dicom/scan.h"
#include "oncotome/engine/lesion_classes.h"
#include "oncotome/engine/model_package.h"

namespace oncotome::workflow {

/// A picture file, one image of a DICOM series, or what a model sees of a lesion.
struct PictureInput {
  std::string name;  ///< Its path from the input folder on, with '/'; of one frame of several "path#frame".
  std::string file;
  std::shared_ptr<const dicom::Series> series;  ///< Null for a picture file.
  std::size_t index = 0;                        ///< In the series.
  std::optional<engine::LesionBox> lesion{};
  engine::Tensor raw{};  ///< Of the lesion.
};

struct RejectedPicture {
  std::string name;
  ErrorCode code = ErrorCode::input_unreadable;
  std::string reason;
};

struct PictureInputs {
  std::vector<PictureInput> pictures;  ///< Sorted by name.
  std::vector<RejectedPicture> rejected;
};

/// Pictures (PNG, JPEG) and DICOM images named or under a named folder, in sorted order; links to folders are not
/// followed, and the folder `output` is passed over. With several paths, names begin with the last part of each. Throws
/// Error{input_not_found, usage, cancelled}.
PictureInputs find_pictures(const std::vector<std::string>& paths, const std::string& output, const Job& job);

/// Lesions of a study, by their outlines: the 26-connected components of all that the mask holds (NIfTI, NRRD, SEG or
/// structure set), named "lesion 1" and so on by falling volume. `notes` tells what was corrected. Throws
/// as read_inputs() and read_side(), and Error{grid_mismatch, usage}.
PictureInputs find_lesions(const InputRequest& study, const std::string& mask, const engine::ModelPackage& package,
                           std::vector<std::string>& notes, const Job& job);

/// Whether there is a PNG or JPEG among the paths or in their folders.
bool holds_pictures(const std::vector<std::string>& paths);

/// Raw values [1,C,1,H,W] for the package, whose modality a DICOM image must have. Throws Error{input_*, dicom_*,
/// precondition_unmet, model_unsupported, cancelled}.
engine::Tensor load_picture_input(const PictureInput& input, const engine::ModelPackage& package, const Job& job);

}  // namespace oncotome::workflow
