// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config.h"
#include "oncotome/engine/model_package.h"

namespace oncotome::engine::monai {

/// Whether the folder holds configs/metadata.json or configs/inference.*.
bool is_bundle(const std::string& folder);

/// Reads configs/metadata.json and configs/inference.json, not the weights. What changes voxels and is not known is
/// refused by its name. Throws Error{model_invalid, model_unsupported, model_not_found}.
ModelPackage read_bundle(const std::string& folder);

/// Whether the weights are a TorchScript module, or a state dict whose network is known.
Network read_network(const Config& config, std::int64_t in_channels, std::int64_t out_channels, bool has_script);

std::vector<Transform> read_preparation(const Config& config, std::int64_t channels, std::string& summary);
Window read_window(const Config& config);
std::vector<Finish> read_finish(const Config& config, std::int64_t classes);

/// The transforms of "preprocessing" or "postprocessing" that are not disabled.
std::vector<Component> read_transforms(const Config& config, const std::string& key);
/// One value for all three axes, or three.
Dhw read_triple(Component& component, const std::string& key, const Dhw& standard, std::int64_t least,
                std::int64_t most);
Edge read_edge(Component& component, const std::string& key);

}  // namespace oncotome::engine::monai
