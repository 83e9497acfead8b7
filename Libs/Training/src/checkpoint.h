// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "network.h"
#include "oncotome/core/json.h"

namespace oncotome::training {

/// All that a training needs to go on to the same bits: named groups of tensors, each with the names and shapes of the
/// network's values, and a state. One safetensors file, replaced as a whole.
struct Checkpoint {
  std::map<std::string, Tensors> groups;
  nlohmann::json state;
};

/// Throws Error{output_unwritable}.
void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint, const Network& network);

/// Throws Error{weights_invalid} where it does not fit the network.
Checkpoint read_checkpoint(const std::filesystem::path& path, const Network& network);

}  // namespace oncotome::training
