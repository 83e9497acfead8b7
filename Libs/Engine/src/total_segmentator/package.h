// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "oncotome/engine/model_package.h"

namespace oncotome::engine::total_segmentator {

/// The task that a folder of results `DatasetNNN_<name>/<trainer>__<plans>__<configuration>` holds, or that
/// `options.configuration` names; of a folder that is one such dataset, this part of its task. Nothing where no dataset
/// is of TotalSegmentator's, or the configuration is no task: then it is a plain nnU-Net. Throws Error{model_*, usage}.
std::optional<ModelPackage> read_package(const std::string& folder, const ModelOptions& options);

}  // namespace oncotome::engine::total_segmentator
