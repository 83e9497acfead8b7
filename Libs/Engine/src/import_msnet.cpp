// SPDX-License-Identifier: Apache-2.0
#include <regex>

#include "import_kinds.h"
#include "msnet_package.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/networks.h"
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

std::optional<ImportedModel> import_msnet(const fs::path& path) {
  const auto files = find_networks(path);
  if (files.empty()) return std::nullopt;
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

  return ImportedModel{std::move(package),
                       nlohmann::ordered_json::parse(kMsnetPackage),
                       {{"source", "github.com/taigw/brats17 model17"}, {"license", "BSD-3-Clause"}},
                       path / "LICENSE.txt"};
}

}  // namespace oncotome::engine
