// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "inputs.h"
#include "oncotome/core/json.h"
#include "oncotome/core/lesion.h"
#include "oncotome/engine/session.h"

namespace oncotome::workflow {

/// Indented text; bytes that are no UTF-8 are replaced.
std::string json_text(const nlohmann::json& j);

/// Writes a file of text. Throws Error{output_unwritable}.
void write_text(const std::filesystem::path& path, const std::string& text);

/// The parts of report.json (schema oncotome.report/1) that describe a package, its inputs, a grid, labels and lesions.
nlohmann::json model_json(const engine::ModelPackage& package);
nlohmann::json geometry_json(const Geometry& geometry);
nlohmann::json channel_json(const ChannelInput& channel);
nlohmann::json labels_json(const LabelVolume& labels, const std::vector<Label>& table);

/// One entry per label of `table`, which the statistics are of.
nlohmann::json statistics_json(const std::vector<engine::LabelStatistics>& statistics, const std::vector<Label>& table);
nlohmann::json lesion_json(const Lesion& lesion, const std::vector<Label>& table);
/// How each number is defined.
nlohmann::json definitions_json();
/// "2 lesions, 31.4 ml in all".
std::string finding_text(const std::vector<Lesion>& lesions);

}  // namespace oncotome::workflow
