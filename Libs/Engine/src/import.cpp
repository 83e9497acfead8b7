// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/import.h"

#include <fstream>

#include "import_kinds.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/safetensors.h"

namespace oncotome::engine {
namespace {

namespace fs = std::filesystem;

void write_package(const ImportedModel& model, const std::string& output, bool replace) {
  AtomicDirectory folder(output, replace ? "model.json" : "");
  const std::string weights_path = (folder.path() / "weights.safetensors").string();
  write_safetensors(weights_path, model.weights, model.metadata);
  auto description = model.description;
  description["weights"] = {{"file", "weights.safetensors"}, {"sha256", sha256_hex_of_file(weights_path)}};
  std::ofstream file(folder.path() / "model.json");
  file << description.dump(2) << '\n';
  file.close();
  if (!file) throw Error(ErrorCode::output_unwritable, "cannot write model.json: check the free space");
  std::error_code ec;
  if (fs::exists(model.license, ec)) fs::copy_file(model.license, folder.path() / model.license.filename(), ec);
  if (ec) throw Error(ErrorCode::output_unwritable, "cannot copy the license into the package");
  read_model_package(folder.path().string());
  folder.commit();
}

}  // namespace

std::string import_model(const std::string& path, const std::string& output, const std::string& kind, bool replace) {
  static constexpr struct {
    const char* name;
    std::optional<ImportedModel> (*import)(const fs::path&);
  } kKinds[] = {{"msnet", import_msnet}, {"meshnet", import_meshnet}};
  if (std::error_code missing; !fs::exists(path, missing))
    throw Error(ErrorCode::model_not_found, "there is nothing at the path to import from");
  bool known = kind == "auto";
  for (const auto& k : kKinds) {
    if (kind != "auto" && kind != k.name) continue;
    known = true;
    if (const auto model = k.import(path)) {
      write_package(*model, output, replace);
      return k.name;
    }
  }
  if (!known) throw Error(ErrorCode::usage, "the kind must be auto, msnet or meshnet, not '" + kind + "'");
  throw Error(ErrorCode::model_unsupported,
              "no weights of a kind that can be imported; known are msnet (model17_msnet_{wt,tc,en}32{,sg,cr}_*"
              ".safetensors) and meshnet (model.json with its weights, as of brainchop)");
}

}  // namespace oncotome::engine
