// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "msnet_package.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/import.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/safetensors.h"

namespace oncotome::engine {
namespace {

namespace fs = std::filesystem;

// Network name, such as "core.sagittal", to its file.
std::map<std::string, fs::path> find_networks(const fs::path& path) {
  static const std::regex kName("model17_msnet_(wt|tc|en)32(sg|cr|)_[0-9]+\\.safetensors");
  static const std::map<std::string, std::string> kWords{{"wt", "whole"}, {"tc", "core"},     {"en", "enhancing"},
                                                         {"", "axial"},   {"sg", "sagittal"}, {"cr", "coronal"}};
  std::map<std::string, fs::path> found;
  for (const fs::path& folder : {path, path / "weights"}) {
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(folder, ec)) {
      std::smatch match;
      const std::string name = entry.path().filename().string();
      if (std::regex_match(name, match, kName)) found[kWords.at(match[1]) + "." + kWords.at(match[2])] = entry.path();
    }
  }
  return found;
}

}  // namespace

std::string import_model(const std::string& path, const std::string& output, const std::string& kind, bool replace) {
  if (kind != "auto" && kind != "msnet")
    throw Error(ErrorCode::usage, "the kind must be auto or msnet, not '" + kind + "'");
  if (std::error_code missing; !fs::exists(path, missing))
    throw Error(ErrorCode::model_not_found, "there is nothing at the path to import from");
  const auto files = find_networks(path);
  if (files.empty())
    throw Error(
        ErrorCode::model_unsupported,
        "no weights of a kind that can be imported; known is msnet: model17_msnet_{wt,tc,en}32{,sg,cr}_*.safetensors");
  Weights package;
  for (const char* region : {"whole", "core", "enhancing"})
    for (const char* plane : {"axial", "sagittal", "coronal"}) {
      const std::string name = std::string(region) + "." + plane;
      if (files.count(name) == 0)
        throw Error(ErrorCode::weights_invalid, "of the nine networks, '" + name + "' is missing");
      Weights weights = read_safetensors(files.at(name).string());
      const bool twice = convert_msnet_weights(weights);
      if (twice == (std::string(region) == "enhancing"))
        throw Error(ErrorCode::weights_invalid, "the weights of '" + name + "' belong to another network");
      check_weights(build_msnet(twice), weights, 4);
      for (auto& [tensor, values] : weights) package.emplace(name + "." + tensor, std::move(values));
    }

  AtomicDirectory folder(output, replace ? "model.json" : "");
  const std::string weights_path = (folder.path() / "weights.safetensors").string();
  write_safetensors(weights_path, package,
                    {{"source", "github.com/taigw/brats17 model17"}, {"license", "BSD-3-Clause"}});
  auto description = nlohmann::ordered_json::parse(kMsnetPackage);
  description["weights"]["sha256"] = sha256_hex_of_file(weights_path);
  std::ofstream model(folder.path() / "model.json");
  model << description.dump(2) << '\n';
  model.close();
  if (!model) throw Error(ErrorCode::output_unwritable, "cannot write model.json: check the free space");
  std::error_code ec;
  if (fs::exists(fs::path(path) / "LICENSE.txt", ec))
    fs::copy_file(fs::path(path) / "LICENSE.txt", folder.path() / "LICENSE.txt", ec);
  if (ec) throw Error(ErrorCode::output_unwritable, "cannot copy LICENSE.txt into the package");
  read_model_package(folder.path().string());
  folder.commit();
  return "msnet";
}

}  // namespace oncotome::engine
