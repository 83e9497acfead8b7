// SPDX-License-Identifier: Apache-2.0
#include "report_json.h"

#include <array>
#include <cstdio>
#include <fstream>

#include "oncotome/core/error.h"

namespace oncotome::workflow {

using nlohmann::json;

std::string json_text(const json& j) { return j.dump(2, ' ', false, json::error_handler_t::replace) + "\n"; }

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Error(ErrorCode::output_unwritable, "a text of the result cannot be written: check the free space");
}

json model_json(const engine::ModelPackage& p) {
  return {{"name", p.name},       {"title", p.title},   {"version", p.version},          {"sha256", p.weights_sha256},
          {"license", p.license}, {"origin", p.origin}, {"intended_use", p.intended_use}};
}

json geometry_json(const Geometry& g) {
  json direction = json::array();  // row-major, as ITK prints it
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t a = 0; a < 3; ++a) direction.push_back(g.axis[a][row]);
  return {{"size", g.size}, {"spacing_mm", g.spacing_mm}, {"origin_mm", g.origin_mm}, {"direction", direction}};
}

json channel_json(const ChannelInput& channel) {
  json j{{"name", channel.name},
         {"how", channel.how},
         {"description", channel.description},
         {"geometry", geometry_json(channel.volume.geometry)}};
  if (channel.series) {
    j["modality"] = channel.series->modality;
    j["series_uid"] = channel.series->series_uid;
    j["lossy"] = channel.series->lossy;
    if (channel.series->part > 0) j["part_name"] = channel.series->part_name;
    j["instances"] = channel.series->instances.size();
  }
  return j;
}

json labels_json(const LabelVolume& labels, const std::vector<Label>& table) {
  std::array<std::int64_t, 256> counts{};
  for (std::uint8_t v : labels.voxels) ++counts[v];
  json out = json::array();
  for (const Label& label : table)
    out.push_back(
        {{"value", label.value},
         {"name", label.name},
         {"code", {{"value", label.type.value}, {"scheme", label.type.scheme}, {"meaning", label.type.meaning}}},
         {"color", label.color_rgb},
         {"lesion", label.lesion},
         {"voxel_count", counts[label.value]},
         {"volume_mm3", static_cast<double>(counts[label.value]) * labels.geometry.voxel_volume_mm3()}});
  return out;
}

json statistics_json(const std::vector<engine::LabelStatistics>& statistics, const std::vector<Label>& table) {
  json out = json::array();
  for (std::size_t i = 0; i < statistics.size(); ++i)
    out.push_back({{"value", statistics[i].label},
                   {"name", table.at(i).name},
                   {"volume_ml", statistics[i].volume_mm3 / 1000},
                   {"mean_intensity", statistics[i].mean_intensity},
                   {"touches_border", statistics[i].touches_border}});
  return out;
}

json lesion_json(const Lesion& lesion, const std::vector<Label>& table) {
  json by_label = json::object();
  for (const Label& label : table) {
    const auto found = lesion.volume_by_label_mm3.find(label.value);
    if (found != lesion.volume_by_label_mm3.end()) by_label[label.name] = found->second;
  }
  return {{"id", lesion.id},
          {"tracking_uid", lesion.tracking_uid},
          {"voxel_count", lesion.voxel_count},
          {"volume_mm3", lesion.volume_mm3},
          {"mesh_volume_mm3", lesion.mesh_volume_mm3},
          {"surface_area_mm2", lesion.surface_area_mm2},
          {"sphericity", lesion.sphericity},
          {"longest_diameter_mm", lesion.longest_diameter_mm},
          {"longest_axial_diameter_mm", lesion.longest_axial_diameter_mm},
          {"maximum_2d_diameter_slice_mm", lesion.maximum_2d_diameter_slice_mm},
          {"axial_diameter_ends_mm", lesion.axial_diameter_ends_mm},
          {"centroid_mm", lesion.centroid_mm},
          {"first_index", lesion.first_index},
          {"last_index", lesion.last_index},
          {"key_slice", lesion.key_slice},
          {"touches_border", lesion.touches_border},
          {"touches_unmeasured", lesion.touches_unmeasured},
          {"volume_by_label_mm3", by_label}};
}

json definitions_json() {
  const std::string surface = "the marching-cubes surface at 0.5 round the lesion's voxels";
  return {
      {"lesion",
       "26-connected component of the labels that count as lesion, at least as large as the model package says"},
      {"key_slice", "index, from 0, of the slice that holds the longest axial diameter"},
      {"volume_mm3", "number of voxels times voxel volume (IBSI YEKZ; PyRadiomics VoxelVolume)"},
      {"mesh_volume_mm3", "volume inside " + surface + " (IBSI RNU0; PyRadiomics MeshVolume)"},
      {"surface_area_mm2", "area of " + surface + " (IBSI C0JK; PyRadiomics SurfaceArea)"},
      {"sphericity", "(36 pi V^2)^(1/3) / A of " + surface + " (IBSI QCFX; PyRadiomics Sphericity)"},
      {"longest_diameter_mm",
       "greatest distance between two vertices of " + surface + " (IBSI L0JK; PyRadiomics Maximum3DDiameter)"},
      {"longest_axial_diameter_mm", "greatest distance between two such vertices that lie in one slice of the image"},
      {"maximum_2d_diameter_slice_mm",
       "PyRadiomics Maximum2DDiameterSlice: as longest_axial_diameter_mm, planes half-way between slices included"}};
}

std::string finding_text(const std::vector<Lesion>& lesions) {
  if (lesions.empty()) return "No lesion was found";
  double volume = 0;
  for (const Lesion& lesion : lesions) volume += lesion.volume_mm3;
  char text[96];
  std::snprintf(text, sizeof text, "%zu %s, %.1f ml in all", lesions.size(), lesions.size() == 1 ? "lesion" : "lesions",
                volume / 1000);
  return text;
}

}  // namespace oncotome::workflow
