// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "oncotome/core/job.h"
#include "oncotome/core/json.h"
#include "oncotome/render/pictures.h"
#include "timings.h"

namespace oncotome::workflow {

/// Draws the largest lesions' key slices, an overview and the surfaces into images/ of the folder, and names them in
/// the report, with a doubt for what was not drawn. Throws Error{cancelled}.
void draw_study(const render::Scene& scene, const std::filesystem::path& folder, nlohmann::json& report,
                Timings& timings, const Job& job);

/// The pictures that draw_study() named, on one sheet.
render::Picture summary_sheet(const nlohmann::json& report, const std::filesystem::path& folder);

}  // namespace oncotome::workflow
