// SPDX-License-Identifier: Apache-2.0
#include "study_pictures.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMostPictures = 24;
constexpr std::size_t kMostOnSheet = 7;

}  // namespace

void draw_study(const render::Scene& scene, const fs::path& folder, json& report, Timings& timings, const Job& job) {
  job.report("draw pictures", 0);
  fs::create_directory(folder / "images");
  const auto file = [&](const std::string& name) {
    report["files"].push_back(name);
    return (folder / name).string();
  };
  const std::size_t lesions = scene.lesions.size();
  for (std::size_t i = 0; i < std::min(kMostPictures, lesions); ++i) {
    char name[48];
    std::snprintf(name, sizeof name, "images/lesion-%03u.png", static_cast<unsigned>(scene.lesions[i].id));
    render::write_key_slice(file(name), scene, scene.lesions[i]);
    report["lesions"][i]["picture"] = name;
    job.report("draw pictures", 0.5 * static_cast<double>(i + 1) / static_cast<double>(lesions));
  }
  if (lesions > kMostPictures)
    report["doubts"].push_back("only the " + std::to_string(kMostPictures) + " largest lesions have a picture");
  render::write_overview(file("images/overview.png"), scene);
  report["pictures"]["overview"] = "images/overview.png";
  timings.lap("draw slices");
  std::string why_not;
  if (render::write_surface_view((folder / "images/surface.png").string(), scene, why_not)) {
    report["files"].push_back("images/surface.png");
    report["pictures"]["surface"] = "images/surface.png";
  } else {
    report["doubts"].push_back("no 3-D view was drawn: " + why_not);
  }
  timings.lap("draw surfaces");
}

render::Picture summary_sheet(const json& report, const fs::path& folder) {
  std::vector<std::string> pictures{"images/overview.png"};
  for (const json& lesion : report["lesions"])
    if (lesion.contains("picture") && pictures.size() < kMostOnSheet) pictures.push_back(lesion["picture"]);
  if (report["pictures"].contains("surface")) pictures.push_back("images/surface.png");
  for (std::string& picture : pictures) picture = (folder / picture).string();
  return render::contact_sheet(pictures);
}

}  // namespace oncotome::workflow
