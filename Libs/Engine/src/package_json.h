// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/model_package.h"

namespace oncotome::engine {

/// Throws Error{model_invalid}.
[[noreturn]] void invalid_package(const std::string& why);

/// A model's JSON file holds this much at most.
constexpr std::size_t kLargestJson = std::size_t{16} << 20;

/// The object that a model's JSON file holds, `name` in messages: at most kLargestJson bytes, and parse_json()'s
/// levels. Throws Error{model_invalid}.
template <class Json = nlohmann::json>
Json parse_object(const std::string& text, const std::string& name) {
  const auto refuse = [&](const char* why) { throw Error(ErrorCode::model_invalid, name + ": " + why); };
  if (text.size() > kLargestJson) refuse("it is larger than 16 MiB");
  Json j = parse_json<Json>(text);
  if (!j.is_object()) refuse("it is no JSON object, or nested too deep");
  return j;
}

/// As much of a file as parse_object needs to see. Throws Error{model_invalid}.
std::string read_text(const std::filesystem::path& path);

/// The two together.
nlohmann::ordered_json read_json(const std::filesystem::path& path);

/// A code's value, scheme and meaning. Throws nlohmann::json::exception.
Code read_code(const nlohmann::json& j);

/// "class_labels": one label per class, background first. Throws Error{model_invalid}.
std::vector<std::uint8_t> read_class_labels(const nlohmann::json& j, std::int64_t out_channels);

/// Names, channels, labels, regions and lesions of model.json, or of what stands for it; not preparation, network and
/// weights. Throws Error{model_invalid}, nlohmann::json::exception.
ModelPackage read_description(const nlohmann::json& j);

/// model.json's "preparation"; the package's channels are known. Throws Error{model_invalid, model_unsupported}.
Preparation read_preparation(const nlohmann::json& steps, const ModelPackage& package);

/// model.json's "network"; throws the same.
decltype(ModelPackage::inference) read_network(const nlohmann::json& j, const ModelPackage& package);

/// All of model.json that only packages for images have; the package's channels are known. Throws the same.
ImageInference read_image_inference(const nlohmann::json& j, const ModelPackage& package);

}  // namespace oncotome::engine
