// SPDX-License-Identifier: Apache-2.0
#include "checkpoint.h"

#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/safetensors.h"
#include "oncotome/engine/weight_file.h"

namespace oncotome::training {

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint, const Network& network) {
  engine::Weights all;
  for (const auto& [group, tensors] : checkpoint.groups)
    for (const auto& [name, tensor] : tensors) all.emplace(group + "/" + name, network.exported(name, tensor));
  write_file_atomically(path, true, [&](const std::filesystem::path& temporary) {
    engine::write_safetensors(temporary.string(), all, {{"state", checkpoint.state.dump()}});
  });
}

Checkpoint read_checkpoint(const std::filesystem::path& path, const Network& network) {
  const auto file = engine::WeightFile::open(path.string());
  Checkpoint checkpoint;
  const nlohmann::ordered_json& contents = file->contents();
  if (contents.is_object() && contents.contains("state") && contents["state"].is_string())
    checkpoint.state = parse_json(contents["state"].get<std::string>());
  if (!checkpoint.state.is_object())
    throw Error(ErrorCode::weights_invalid, "the checkpoint holds no state; begin anew with --overwrite");
  for (const engine::WeightFile::Entry& entry : file->tensors()) {
    const std::size_t slash = entry.name.find('/');
    const std::string name = entry.name.substr(slash + 1);
    if (slash == std::string::npos || network.values().count(name) == 0)
      throw Error(ErrorCode::weights_invalid, "the checkpoint is of another network; begin anew with --overwrite");
    checkpoint.groups[entry.name.substr(0, slash)][name] = network.imported(name, file->read(entry.name));
  }
  return checkpoint;
}

}  // namespace oncotome::training
