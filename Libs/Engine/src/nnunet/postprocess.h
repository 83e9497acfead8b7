// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/json.h"
#include "oncotome/engine/nnunet.h"

namespace oncotome::engine::nnunet {

/// The steps of postprocessing.json. Throws Error{model_invalid, model_unsupported}.
std::vector<KeepLargest> read_postprocessing(const nlohmann::ordered_json& file);

/// Applies the steps in order to labels of `size`; voxels touch by a corner too.
void postprocess(const std::vector<KeepLargest>& steps, const Dhw& size, std::vector<std::uint8_t>& labels);

}  // namespace oncotome::engine::nnunet
