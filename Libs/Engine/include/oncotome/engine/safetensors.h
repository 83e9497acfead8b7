// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

/// WeightFile::open(path)->read_all(""), of which it throws the errors.
Weights read_safetensors(const std::string& path);

/// Writes tensors in name order, with string metadata. Throws Error{output_unwritable}.
void write_safetensors(const std::string& path, const Weights& weights,
                       const std::map<std::string, std::string>& metadata);

}  // namespace oncotome::engine
