// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "oncotome/core/json.h"

/// What pages for readers of images are put together from. All text that is returned is inert markup.
namespace oncotome::workflow::html {

std::string escaped(std::string_view text);

/// A member of an object, null where either is absent.
const nlohmann::json& member(const nlohmann::json& object, const char* key);

std::string fixed(const nlohmann::json& number, int digits, double scale = 1);

/// Any value as escaped text: strings bare, numbers short, arrays with commas.
std::string plain(const nlohmann::json& value);

/// Empty when the report names no such picture or it cannot be read.
std::string figure(const nlohmann::json& name, const std::filesystem::path& folder, const std::string& caption);

std::string heading(const char* text);
std::string row(const std::string& name, const std::string& value);
std::string code(const std::string& text);

/// The model, the finding and what the page may be used for.
std::string title(const nlohmann::json& report, const std::string& finding);

/// The class of a lesion or an image and how probable each is, or why it has none.
std::string classes(const nlohmann::json& classification);

/// Model and run, and how each number is defined.
std::string provenance(const nlohmann::json& report);
std::string definitions(const nlohmann::json& report);

/// The whole page.
std::string page(const nlohmann::json& report, const std::string& title, const std::string& body);

}  // namespace oncotome::workflow::html
