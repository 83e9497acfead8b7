// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/json.h"
#include "oncotome/engine/model_package.h"

namespace oncotome::engine::nnunet {

/// A package from nnU-Net results folders, each `<trainer>__<plans>__<configuration>` or one that holds such; several
/// make an ensemble. What nnU-Net does not know, such as codes of labels, comes from their names, and from
/// oncotome.json beside plans.json where there is one: parts of a model.json, laid over. Throws Error{model_*, usage}.
ModelPackage read_package(const std::vector<std::string>& folders, const ModelOptions& options);

/// An entry of model.json's labels: code, color and whether it is a lesion are told from the name.
nlohmann::json describe_label(int value, const std::string& name);

}  // namespace oncotome::engine::nnunet
