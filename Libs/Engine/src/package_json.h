// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "oncotome/engine/model_package.h"

namespace oncotome::engine {

/// Throws Error{model_invalid}.
[[noreturn]] void invalid_package(const std::string& why);

/// Numbers of 0 to 255; nlohmann-json would wrap 258 to 2.
std::vector<std::uint8_t> read_bytes(const nlohmann::json& j);

/// Names, channels, labels, regions and lesions of model.json, or of what stands for it; not preparation, network and
/// weights. Throws Error{model_invalid}, nlohmann::json::exception.
ModelPackage read_description(const nlohmann::json& j);

/// model.json's "preparation"; the package's channels are known. Throws Error{model_invalid, model_unsupported}.
Preparation read_preparation(const nlohmann::json& steps, const ModelPackage& package);

/// model.json's "network"; throws the same.
decltype(ModelPackage::inference) read_network(const nlohmann::json& j, const ModelPackage& package);

}  // namespace oncotome::engine
