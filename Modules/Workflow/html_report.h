// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "oncotome/core/json.h"

namespace oncotome::workflow {

/// One self-contained HTML page for a reader of images, from the content of report.json; the pictures that it names are
/// read from `folder` and embedded, and a picture that is not there is left out. No script, nothing fetched.
std::string html_report(const nlohmann::json& report, const std::filesystem::path& folder);

}  // namespace oncotome::workflow
