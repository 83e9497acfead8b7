// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace oncotome::engine {

/// Makes a model package at `output` (whole or absent) from trained weights at `path`. `kind` is "auto" or a kind's
/// name: "msnet" is the nine networks of Wang et al. (arXiv:1709.00382) as safetensors files in `path` or
/// `path`/weights, "meshnet" a brainchop MeshNet (arXiv:1612.00940), Keras model.json and weights. Returns the kind.
/// Throws Error{model_not_found, model_unsupported, weights_invalid, output_exists, output_unwritable}.
std::string import_model(const std::string& path, const std::string& output, const std::string& kind, bool replace);

}  // namespace oncotome::engine
