// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "oncotome/core/json.h"
#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

/// What becomes a package: weights, model.json without the checksum, and the license file beside the weights.
struct ImportedModel {
  Weights weights;
  nlohmann::ordered_json description;
  std::map<std::string, std::string> metadata;  ///< Of the safetensors file.
  std::filesystem::path license;
};

/// Nothing when the path holds no such model. Throw Error{weights_invalid, model_unsupported}.
std::optional<ImportedModel> import_msnet(const std::filesystem::path& path);
std::optional<ImportedModel> import_meshnet(const std::filesystem::path& path);

}  // namespace oncotome::engine
