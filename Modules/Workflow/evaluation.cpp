// SPDX-License-Identifier: Apache-2.0
#include "evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>

#include "evaluation_side.h"
#include "oncotome/core/csv.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/resample.h"

namespace oncotome::workflow {
namespace {

using nlohmann::json;

/// Where a metric is in a row, and which of its values is the worst.
struct Metric {
  const char* name;
  bool greatest_is_worst;
};

constexpr Metric kMetrics[] = {{"dice", false},
                               {"surface_dice", false},
                               {"hd95_mm", true},
                               {"mean_surface_distance_mm", true},
                               {"volume_difference_ml", true},
                               {"volume_difference_percent", true},
                               {"lesion_sensitivity", false},
                               {"lesion_precision", false},
                               {"false_positive_lesions", true}};

constexpr const char* kColumns[] = {"result_ml",     "truth_ml",      "result_lesions",
                                    "truth_lesions", "found_lesions", "true_lesions"};

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json share(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? json(static_cast<double>(part) / static_cast<double>(whole)) : json(nullptr);
}

json row_json(const std::string& name, const engine::Overlap& o, const Geometry& grid) {
  const double ml = grid.voxel_volume_mm3() / 1000;
  const double result = static_cast<double>(o.result_voxels) * ml, truth = static_cast<double>(o.truth_voxels) * ml;
  json row{{"name", name},
           {"dice", or_null(o.dice)},
           {"surface_dice", or_null(o.surface_dice)},
           {"hd95_mm", or_null(o.hd95_mm)},
           {"mean_surface_distance_mm", or_null(o.mean_surface_distance_mm)},
           {"result_ml", result},
           {"truth_ml", truth},
           {"volume_difference_ml", result - truth},
           {"volume_difference_percent", truth > 0 ? json(100 * (result - truth) / truth) : json(nullptr)},
           {"result_lesions", o.result_lesions},
           {"truth_lesions", o.truth_lesions},
           {"found_lesions", o.found_lesions},
           {"true_lesions", o.true_lesions},
           {"lesion_sensitivity", share(o.found_lesions, o.truth_lesions)},
           {"lesion_precision", share(o.true_lesions, o.result_lesions)},
           {"false_positive_lesions", o.result_lesions - o.true_lesions}};
  if (o.result_voxels == 0 || o.truth_voxels == 0)
    row["empty"] = o.result_voxels > 0 ? "truth" : o.truth_voxels > 0 ? "result" : "both";
  return row;
}

json definitions(const engine::OverlapOptions& options) {
  char overlap[160];
  std::snprintf(overlap, sizeof overlap, "at least one voxel%s",
                options.lesion_overlap > 0
                    ? (" and " + std::to_string(100 * options.lesion_overlap) + " % of its voxels").c_str()
                    : "");
  return {
      {"dice", "2 |A n B| / (|A| + |B|); null when both masks are empty"},
      {"surface_dice",
       "area of both surfaces within the tolerance of the other, over the area of both (doi 10.2196/26151); surface "
       "elements and distances as in DeepMind's surface-distance 0.1; null when both masks are empty, 0 when one is"},
      {"hd95_mm",
       "greater of the two area-weighted 95th percentiles of the distance from one surface to the other, as in "
       "surface-distance; null when a mask is empty"},
      {"mean_surface_distance_mm",
       "mean of the two area-weighted mean distances from one surface to the other; null when a mask is empty"},
      {"volume_difference", "result minus truth; percent of the truth, null when it is empty"},
      {"lesion", "26-connected component of the region"},
      {"lesion_sensitivity", std::string("share of the truth's lesions of which the result covers ") + overlap},
      {"lesion_precision", std::string("share of the result's lesions of which the truth covers ") + overlap +
                               "; the rest are false positives"}};
}

json settings(const engine::OverlapOptions& options) {
  return {{"tolerance_mm", options.tolerance_mm},
          {"lesion_overlap", options.lesion_overlap},
          {"definitions", definitions(options)}};
}

json summary(const json& pairs) {
  std::vector<std::string> names;
  for (const json& pair : pairs)
    for (const json& row : pair["regions"])
      if (const std::string name = row["name"]; std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  json out = json::array();
  for (const std::string& name : names) {
    json region{{"name", name}};
    for (const Metric& metric : kMetrics) {
      std::vector<double> values;
      int undefined = 0;
      for (const json& pair : pairs)
        for (const json& row : pair["regions"])
          if (row["name"] == name) {
            if (row[metric.name].is_null())
              ++undefined;
            else
              values.push_back(row[metric.name]);
          }
      json& s = region[metric.name] = {{"count", values.size()}, {"undefined", undefined}};
      if (values.empty()) continue;
      std::sort(values.begin(), values.end());
      const std::size_t n = values.size();
      double sum = 0;
      for (const double v : values) sum += v;
      s["mean"] = sum / static_cast<double>(n);
      s["median"] = (values[(n - 1) / 2] + values[n / 2]) / 2;
      const bool low = std::abs(values.front()) > std::abs(values.back());
      s["worst"] = metric.greatest_is_worst && !low ? values.back() : values.front();
    }
    out.push_back(region);
  }
  return out;
}

json evaluate_pair(const EvaluationPair& pair, const EvaluationRequest& request, const Job& job) {
  std::vector<std::string> notes;
  auto [result, truth] = read_sides(pair, notes, job);
  truth.move_to(result.grid(), notes);
  json rows = json::array();
  for (const RegionPair& region : choose_regions(request.regions, result, truth))
    rows.push_back(row_json(region.name,
                            engine::compare_masks(result.mask(region.result), truth.mask(region.truth), result.grid(),
                                                  request.options, job),
                            result.grid()));
  return {{"name", pair.name}, {"notes", notes}, {"regions", rows}};
}

// A spreadsheet would run what starts like a formula.
std::string csv_text(std::string text) {
  if (!text.empty() && std::string("=+-@\t\r").find(text[0]) != std::string::npos) text.insert(0, "'");
  return csv_quoted(text);
}

}  // namespace

json evaluate(const EvaluationRequest& request, const Job& job) {
  json out = settings(request.options);
  out["schema"] = "oncotome.evaluation/1";
  json& pairs = out["pairs"] = json::array();
  for (std::size_t i = 0; i < request.pairs.size(); ++i) {
    job.report("evaluate", static_cast<double>(i) / static_cast<double>(request.pairs.size()));
    try {
      pairs.push_back(evaluate_pair(request.pairs[i], request, job));
    } catch (const Error& e) {
      if (request.pairs.size() == 1 || e.code() == ErrorCode::cancelled) throw;
      throw Error(e.code(), "pair " + std::to_string(i + 1) + ": " + e.what());
    }
  }
  out["summary"] = summary(pairs);
  return out;
}

std::string evaluation_csv(const json& evaluation) {
  std::string out = "pair,region";
  for (const Metric& metric : kMetrics) out += std::string(",") + metric.name;
  for (const char* column : kColumns) out += std::string(",") + column;
  out += ",empty\n";
  for (const json& pair : evaluation["pairs"])
    for (const json& row : pair["regions"]) {
      out += csv_text(pair["name"]) + ',' + csv_text(row["name"]);
      const auto add = [&](const char* key) { out += row[key].is_null() ? "," : ',' + row[key].dump(); };
      for (const Metric& metric : kMetrics) add(metric.name);
      for (const char* column : kColumns) add(column);
      out += ',' + row.value("empty", "") + '\n';
    }
  return out;
}

json evaluate_labels(const LabelVolume& labels, const LabelVolume& truth, const engine::ModelPackage& package,
                     const Job& job) {
  std::vector<engine::Region> regions = package.regions;
  for (const Label& label : package.labels) regions.push_back({label.name, {label.value}});
  const engine::OverlapOptions options;
  json out = settings(options);
  json& rows = out["regions"] = json::array();
  for (const engine::Region& region : regions) {
    const std::set<int> values(region.labels.begin(), region.labels.end());
    rows.push_back(
        row_json(region.name,
                 engine::compare_masks(mask_of(labels, values), mask_of(truth, values), labels.geometry, options, job),
                 labels.geometry));
  }
  return out;
}

LabelVolume truth_on_grid(LabelVolume truth, const Geometry& grid, std::vector<std::string>& notes) {
  if (same_grid(truth.geometry, grid)) return truth;
  if (engine::count_outside(grid, truth.geometry, {}) == truth.voxels.size())
    throw Error(ErrorCode::grid_mismatch,
                "result and truth do not meet in space: they are of different scans, or one has no true coordinates");
  const double lost = static_cast<double>(engine::count_outside(grid, truth.geometry, truth.voxels)) *
                      truth.geometry.voxel_volume_mm3() / 1000;
  notes.emplace_back("the truth was resampled (nearest voxel) to the grid of the result");
  if (lost > 0) {
    char text[112];
    std::snprintf(text, sizeof text, "%.3f ml of the truth lie outside the grid of the result and are not counted",
                  lost);
    notes.emplace_back(text);
  }
  return engine::resample_nearest(truth, grid);
}

}  // namespace oncotome::workflow
