// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

/// Reads every float32 tensor of a safetensors file (huggingface.co/docs/safetensors). Offsets, sizes and the header's
/// length are checked before anything is allocated. Throws Error{weights_invalid, input_unreadable}.
Weights read_safetensors(const std::string& path);

/// The same, from bytes already in memory.
Weights parse_safetensors(const char* bytes, std::size_t size);

/// Writes tensors in name order, with string metadata. Throws Error{output_unwritable}.
void write_safetensors(const std::string& path, const Weights& weights,
                       const std::map<std::string, std::string>& metadata);

}  // namespace oncotome::engine
