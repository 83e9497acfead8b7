// SPDX-License-Identifier: Apache-2.0
#include "models.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"

namespace oncotome::cli {
namespace {

namespace fs = std::filesystem;

// Folders in a folder, in the order of their names.
std::vector<fs::path> subfolders(const std::string& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (std::error_code ignored; it->is_directory(ignored)) found.push_back(it->path());
  std::sort(found.begin(), found.end());
  return found;
}

// The name that a package gives itself; else its folder's.
std::string name_of(const fs::path& folder) {
  std::ifstream file(folder / "model.json");
  const nlohmann::json model = nlohmann::json::parse(file, nullptr, false);
  if (model.is_object() && model.contains("name") && model["name"].is_string()) return model["name"];
  return folder.filename().string();
}

}  // namespace

std::string bundled_models() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (error) return "";
  // The build tree; 3D Slicer's extensions; an installed prefix.
  for (const char* place : {"../Models", "../Oncotome/Models", "../../../share/oncotome/Models"})
    if (fs::is_directory(here / place, error)) return (here / place).lexically_normal().string();
  return "";
}

std::string find_model(const std::string& name, const std::string& folder) {
  std::error_code ignored;
  if (!name.empty() && fs::exists(name, ignored)) return name;
  std::string known;
  for (const std::string& place : {folder, bundled_models()}) {
    if (place.empty()) continue;
    for (const fs::path& candidate : subfolders(place)) {
      const std::string own = name_of(candidate);
      if (!name.empty() && (own == name || candidate.filename() == name)) return candidate.string();
      known += (known.empty() ? "" : ", ") + own;
    }
  }
  const std::string there = known.empty() ? "; no model is installed" : "; there are: " + known;
  if (name.empty()) throw Error(ErrorCode::usage, "no model is chosen with --model NAME or --model FOLDER" + there);
  throw Error(ErrorCode::model_not_found, "there is no model of the name given" + there);
}

}  // namespace oncotome::cli
