// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "oncotome/core/json.h"

namespace oncotome::workflow {

/// A page as html_report() has it, of single images: those with a heat map, each with its class, and what could not be
/// read.
std::string picture_page(const nlohmann::json& report, const std::filesystem::path& folder);

}  // namespace oncotome::workflow
