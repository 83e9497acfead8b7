// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

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

// The package's description; only the checksum is filled in.
constexpr const char* kDescription = R"json({
  "schema": "oncotome.model/1",
  "name": "brats17-msnet",
  "title": "Glioma on FLAIR, T1, T1ce and T2 (BraTS 2017)",
  "version": "1.0.0",
  "intended_use": "Research: outlines gliomas on skull-stripped, co-registered brain MR of adults, as in BraTS 2017. Not a medical device; every result needs a reader's check.",
  "license": "BSD-3-Clause",
  "origin": "github.com/taigw/brats17 at d44297e3, model17, (c) 2017-2018 University College London; Wang et al., arXiv:1709.00382",
  "weights": {"file": "weights.safetensors", "sha256": ""},
  "input": {
    "modality": "MR",
    "region": {"value": "12738006", "scheme": "SCT", "meaning": "Brain"},
    "reference_channel": "T1ce",
    "display_channel": "FLAIR",
    "channels": [
      {"name": "FLAIR", "aliases": ["FLA"], "find": [
         {"description": "flair|dark.?fluid|tirm|(^|[^a-z])fla([^a-z]|$)", "not_description": "t1"},
         {"inversion_time_ms": [1500, 3500], "echo_time_ms": [60, 1000], "not_description": "t1"}]},
      {"name": "T1", "find": [
         {"description": "t1.*((^|[^a-z])pre([^a-z]|$)|pre.?(contrast|gad)|without|w/o|non.?contrast)|((^|[^a-z])pre([^a-z]|$)|pre.?(contrast|gad)|without|w/o|non.?contrast).*t1"},
         {"description": "t1", "not_description": "t1.?(ce|c)([^a-z]|$)|t1.*(post|contrast|gad|gd|\\+ ?c|c\\+)|(post|contrast|gad).*t1", "contrast": false},
         {"echo_time_ms": [0, 30], "repetition_time_ms": [0, 3000], "contrast": false, "not_description": "t1.?(ce|c)([^a-z]|$)|t1.*(post|contrast|gad|gd|\\+ ?c|c\\+)|(post|contrast|gad).*t1|t2|flair|dark.?fluid|tirm"}]},
      {"name": "T1ce", "aliases": ["T1c", "T1Gd"], "find": [
         {"description": "t1.?(ce|c)([^a-z]|$)|t1.*(post|contrast|gad|gd|\\+ ?c|c\\+)|(post|contrast|gad).*t1", "not_description": "(^|[^a-z])pre([^a-z]|$)|pre.?(contrast|gad)|without|w/o|non.?contrast"},
         {"description": "t1", "contrast": true, "not_description": "(^|[^a-z])pre([^a-z]|$)|pre.?(contrast|gad)|without|w/o|non.?contrast"},
         {"echo_time_ms": [0, 30], "repetition_time_ms": [0, 3000], "contrast": true, "not_description": "(^|[^a-z])pre([^a-z]|$)|pre.?(contrast|gad)|without|w/o|non.?contrast|t2|flair|dark.?fluid|tirm"}]},
      {"name": "T2", "find": [
         {"description": "t2", "not_description": "flair|dark.?fluid|tirm|t2.?(\\*|star)"},
         {"echo_time_ms": [70, 300], "repetition_time_ms": [2000, 15000], "inversion_time_ms": null, "not_description": "t1|flair|dark.?fluid|tirm"}]}
    ]
  },
  "preparation": [
    {"step": "orient", "axes": "LPS"},
    {"step": "resample", "spacing_mm": [1, 1, 1]},
    {"step": "foreground", "channel": "FLAIR", "volume_ml": [300, 2200]},
    {"step": "crop", "margin_voxels": 5},
    {"step": "normalize", "method": "zscore", "over": "channel"},
    {"step": "background", "fill": "noise"}
  ],
  "network": {"architecture": "msnet_cascade"},
  "labels": [
    {"value": 1, "name": "Necrotic or non-enhancing core", "color": [216, 191, 216], "lesion": true,
     "category": {"value": "49755003", "scheme": "SCT", "meaning": "Morphologically Altered Structure"},
     "type": {"value": "6574001", "scheme": "SCT", "meaning": "Necrosis"}},
    {"value": 2, "name": "Edema", "color": [140, 224, 228], "lesion": true,
     "category": {"value": "49755003", "scheme": "SCT", "meaning": "Morphologically Altered Structure"},
     "type": {"value": "79654002", "scheme": "SCT", "meaning": "Edema"}},
    {"value": 4, "name": "Enhancing tumor", "color": [230, 80, 60], "lesion": true,
     "category": {"value": "49755003", "scheme": "SCT", "meaning": "Morphologically Altered Structure"},
     "type": {"value": "C113842", "scheme": "NCIt", "meaning": "Enhancing Lesion"}}
  ],
  "regions": [{"name": "Whole tumor", "labels": [1, 2, 4]}, {"name": "Tumor core", "labels": [1, 4]}],
  "lesion": {"min_volume_mm3": 50}
})json";

}  // namespace

std::string import_model(const std::string& path, const std::string& output, const std::string& kind, bool replace) {
  if (kind != "auto" && kind != "msnet")
    throw Error(ErrorCode::usage, "the kind must be auto or msnet, not '" + kind + "'");
  if (!fs::exists(path)) throw Error(ErrorCode::model_not_found, "there is nothing at the path to import from");
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

  AtomicDirectory folder(output, replace);
  const std::string weights_path = (folder.path() / "weights.safetensors").string();
  write_safetensors(weights_path, package,
                    {{"source", "github.com/taigw/brats17 model17"}, {"license", "BSD-3-Clause"}});
  auto description = nlohmann::ordered_json::parse(kDescription);
  description["weights"]["sha256"] = sha256_hex_of_file(weights_path);
  std::ofstream model(folder.path() / "model.json");
  model << description.dump(2) << '\n';
  model.close();
  if (!model) throw Error(ErrorCode::output_unwritable, "cannot write model.json: check the free space");
  if (fs::exists(fs::path(path) / "LICENSE.txt"))
    fs::copy_file(fs::path(path) / "LICENSE.txt", folder.path() / "LICENSE.txt");
  read_model_package(folder.path().string());
  folder.commit();
  return "msnet";
}

}  // namespace oncotome::engine
