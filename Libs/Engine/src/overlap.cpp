// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/overlap.h"

#include <algorithm>
#include <cmath>

#include "oncotome/core/error.h"
#include "surface_distance.h"

namespace oncotome::engine {
namespace {

Mask cropped(const Mask& mask, const Index3& size, const Index3& first, const Index3& last) {
  Mask out;
  for (std::int64_t z = first[2]; z <= last[2]; ++z)
    for (std::int64_t y = first[1]; y <= last[1]; ++y) {
      const auto row = mask.begin() + size[0] * (y + size[1] * z);
      out.insert(out.end(), row + first[0], row + last[0] + 1);
    }
  return out;
}

double total_area(const std::vector<SurfaceElement>& elements) {
  double sum = 0;
  for (const SurfaceElement& e : elements) sum += e.area_mm2;
  return sum;
}

double area_within(const std::vector<SurfaceElement>& elements, double distance_mm) {
  double sum = 0;
  for (const SurfaceElement& e : elements)
    if (e.distance_mm <= distance_mm) sum += e.area_mm2;
  return sum;
}

double mean_distance(const std::vector<SurfaceElement>& elements) {
  double sum = 0;
  for (const SurfaceElement& e : elements) sum += e.distance_mm * e.area_mm2;
  return sum / total_area(elements);
}

double percentile(const std::vector<SurfaceElement>& elements, double fraction) {
  const double total = total_area(elements);
  double sum = 0;
  for (const SurfaceElement& e : elements)
    if ((sum += e.area_mm2) / total >= fraction) return e.distance_mm;
  return elements.back().distance_mm;
}

struct Lesions {
  std::int64_t count = 0, covered = 0;
};

Lesions count_lesions(const Mask& mask, const Mask& other, const Index3& size, double overlap) {
  const Components parts = connected_components(mask, size, Connectivity::corners26);
  std::vector<std::int64_t> common(parts.voxel_counts.size(), 0);
  for (std::size_t i = 0; i < other.size(); ++i)
    if (other[i] && parts.labels[i]) ++common[static_cast<std::size_t>(parts.labels[i] - 1)];
  Lesions out;
  out.count = static_cast<std::int64_t>(common.size());
  for (std::size_t i = 0; i < common.size(); ++i)
    out.covered +=
        common[i] > 0 && static_cast<double>(common[i]) >= overlap * static_cast<double>(parts.voxel_counts[i]);
  return out;
}

}  // namespace

Overlap compare_masks(const Mask& result, const Mask& truth, const Geometry& grid, const OverlapOptions& options,
                      const Job& job) {
  if (result.size() != grid.voxel_count() || truth.size() != grid.voxel_count())
    throw Error(ErrorCode::grid_mismatch, "the masks to compare do not lie on one grid");
  Overlap out;
  Mask either(result.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    out.result_voxels += result[i] != 0;
    out.truth_voxels += truth[i] != 0;
    out.common_voxels += result[i] && truth[i];
    either[i] = result[i] | truth[i];
  }
  Index3 first, last;
  if (!bounding_box(either, grid.size, 0, first, last)) return out;
  either = {};
  const Index3 size{last[0] - first[0] + 1, last[1] - first[1] + 1, last[2] - first[2] + 1};
  const Mask a = cropped(result, grid.size, first, last), b = cropped(truth, grid.size, first, last);
  const Lesions of_result = count_lesions(a, b, size, options.lesion_overlap);
  const Lesions of_truth = count_lesions(b, a, size, options.lesion_overlap);
  out.result_lesions = of_result.count;
  out.true_lesions = of_result.covered;
  out.truth_lesions = of_truth.count;
  out.found_lesions = of_truth.covered;
  out.dice = 2.0 * static_cast<double>(out.common_voxels) / static_cast<double>(out.result_voxels + out.truth_voxels);
  out.surface_dice = 0;
  if (out.result_voxels == 0 || out.truth_voxels == 0) return out;
  const SurfaceDistances d = surface_distances(a, b, size, grid.spacing_mm, job);
  out.surface_dice = (area_within(d.from_a, options.tolerance_mm) + area_within(d.from_b, options.tolerance_mm)) /
                     (total_area(d.from_a) + total_area(d.from_b));
  out.hd95_mm = std::max(percentile(d.from_a, 0.95), percentile(d.from_b, 0.95));
  out.mean_surface_distance_mm = (mean_distance(d.from_a) + mean_distance(d.from_b)) / 2;
  return out;
}

}  // namespace oncotome::engine
