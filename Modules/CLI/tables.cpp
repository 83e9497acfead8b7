// SPDX-License-Identifier: Apache-2.0
#include "tables.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/csv.h"
#include "oncotome/engine/resample.h"
#include "report_json.h"
#include "volume_io.h"

namespace oncotome::cli {
namespace {

/// Of the voxels of one lesion; the standard deviation is that of the population, as PyRadiomics has it.
struct Intensities {
  double mean = 0, squares = 0, count = 0;
  double minimum = std::numeric_limits<double>::infinity(), maximum = -minimum;

  // Welford's sums: those of squares lose what is left of a CT's small contrasts.
  void add(double value) {
    const double before = value - mean;
    mean += before / ++count;
    squares += before * (value - mean);
    minimum = std::min(minimum, value);
    maximum = std::max(maximum, value);
  }
};

std::map<std::uint16_t, Intensities> intensities_of(const LesionVolume& ids, const Volume<float>& scan) {
  Volume<float> resampled;
  const bool same = same_grid(scan.geometry, ids.geometry);
  if (!same) resampled = engine::resample_linear({scan.geometry, scan.voxels.data()}, ids.geometry);
  const std::vector<float>& values = same ? scan.voxels : resampled.voxels;
  std::map<std::uint16_t, Intensities> found;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (ids.voxels[i] != 0) found[ids.voxels[i]].add(values[i]);
  return found;
}

}  // namespace

std::string number_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

Table measurement_table(const std::vector<Lesion>& lesions, const LesionVolume& ids, const Volume<float>* scan,
                        const std::vector<Label>& names) {
  Table table{{"lesion", "volume_mm3", "voxel_count", "mesh_volume_mm3", "surface_area_mm2", "sphericity",
               "longest_diameter_mm", "longest_axial_diameter_mm", "maximum_2d_diameter_slice_mm", "centroid_l_mm",
               "centroid_p_mm", "centroid_s_mm", "key_slice", "touches_border", "mean_intensity", "minimum_intensity",
               "maximum_intensity", "standard_deviation_intensity"}};
  for (const Label& label : names)
    if (label.lesion) table.front().push_back("volume_mm3 of " + label.name);
  std::map<std::uint16_t, Intensities> intensities;
  if (scan != nullptr && !lesions.empty()) intensities = intensities_of(ids, *scan);
  for (const Lesion& lesion : lesions) {
    std::vector<std::string> row{std::to_string(lesion.id), number_text(lesion.volume_mm3),
                                 std::to_string(lesion.voxel_count)};
    for (const double value :
         {lesion.mesh_volume_mm3, lesion.surface_area_mm2, lesion.sphericity, lesion.longest_diameter_mm,
          lesion.longest_axial_diameter_mm, lesion.maximum_2d_diameter_slice_mm, lesion.centroid_mm[0],
          lesion.centroid_mm[1], lesion.centroid_mm[2]})
      row.push_back(number_text(value));
    row.push_back(std::to_string(lesion.key_slice));
    row.emplace_back(lesion.touches_border ? "1" : "0");
    if (const auto found = intensities.find(lesion.id); found != intensities.end()) {
      const Intensities& seen = found->second;
      for (const double value : {seen.mean, seen.minimum, seen.maximum, std::sqrt(seen.squares / seen.count)})
        row.push_back(number_text(value));
    } else {
      row.resize(row.size() + 4);
    }
    for (const Label& label : names) {
      if (!label.lesion) continue;
      const auto found = lesion.volume_by_label_mm3.find(label.value);
      row.push_back(number_text(found == lesion.volume_by_label_mm3.end() ? 0 : found->second));
    }
    table.push_back(std::move(row));
  }
  return table;
}

Table class_table(const std::vector<engine::LesionFinding>& findings, const std::vector<engine::ClassLabel>& classes) {
  Table table{{"lesion", "class", "probability"}};
  for (const engine::ClassLabel& c : classes) table.front().push_back("p_" + c.name);
  table.front().insert(table.front().end(), {"entropy", "refused"});
  for (const engine::LesionFinding& finding : findings) {
    const engine::Classification& found = finding.classification;
    std::vector<std::string> row{std::to_string(finding.lesion_id)};
    const auto best = found.best();
    row.push_back(best ? classes[*best].name : "");
    row.push_back(best ? number_text(found.probabilities[*best]) : "");
    for (std::size_t k = 0; k < classes.size(); ++k) row.push_back(best ? number_text(found.probabilities[k]) : "");
    row.push_back(best ? number_text(found.entropy) : "");
    row.push_back(found.refusal);
    table.push_back(std::move(row));
  }
  return table;
}

void write_table(const std::string& path, const Table& table) {
  const bool tabs = workflow::ends_with(path, ".tsv");
  std::string text;
  for (const std::vector<std::string>& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i];
      std::replace_if(
          cell.begin(), cell.end(), [](unsigned char c) { return c < 0x20; }, ' ');
      text += (i == 0 ? "" : tabs ? "\t" : ",") + (tabs ? cell : csv_quoted(cell));
    }
    text += "\n";
  }
  write_file_atomically(path, true,
                        [&](const std::filesystem::path& temporary) { workflow::write_text(temporary, text); });
}

}  // namespace oncotome::cli
