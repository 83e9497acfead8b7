// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "oncotome/core/json.h"
#include "oncotome/dicom/segmentation.h"
#include "oncotome/engine/lesion_classes.h"
#include "oncotome/engine/model_package.h"

namespace oncotome::workflow {

/// Whether a package says what lesions are: one for images, with classes.
bool has_classes(const engine::ModelPackage& package);

/// Of each channel of the classifier, which channel of the study's package it is, by name or alias. Throws Error{usage}
/// for a package without classes, Error{precondition_unmet} for another modality, Error{channel_missing}.
std::vector<std::size_t> classifier_channels(const engine::ModelPackage& classifier,
                                             const engine::ModelPackage& package);

/// The classes of a package, with codes where they have some.
nlohmann::json classes_json(const std::vector<engine::ClassLabel>& classes);

/// What report.json says of a lesion or an image: class, probabilities and entropy, or why it is refused.
nlohmann::json classification_json(const engine::Classification& found, const std::vector<engine::ClassLabel>& classes);

/// The same for the SR; a class without a code gets a private one.
dicom::LesionClass lesion_class(const engine::Classification& found, const std::vector<engine::ClassLabel>& classes);

}  // namespace oncotome::workflow
