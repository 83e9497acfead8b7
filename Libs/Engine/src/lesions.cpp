// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/lesions.h"

#include <algorithm>
#include <numeric>

#include "oncotome/engine/components.h"

namespace oncotome::engine {
namespace {

struct Sums {
  std::int64_t count = 0;
  std::array<double, 3> index_sum{};
  Index3 first{INT64_MAX, INT64_MAX, INT64_MAX}, last{-1, -1, -1};
  std::map<std::uint8_t, std::int64_t> by_label;
};

Lesion describe(const Sums& s, const Geometry& g) {
  Lesion lesion;
  lesion.voxel_count = s.count;
  lesion.volume_mm3 = static_cast<double>(s.count) * g.voxel_volume_mm3();
  const auto n = static_cast<double>(s.count);
  lesion.centroid_mm = g.position_mm({s.index_sum[0] / n, s.index_sum[1] / n, s.index_sum[2] / n});
  lesion.first_index = s.first;
  lesion.last_index = s.last;
  for (std::size_t a = 0; a < 3; ++a)
    lesion.touches_border = lesion.touches_border || s.first[a] == 0 || s.last[a] == g.size[a] - 1;
  for (const auto& [label, count] : s.by_label)
    lesion.volume_by_label_mm3[label] = static_cast<double>(count) * g.voxel_volume_mm3();
  return lesion;
}

}  // namespace

LesionSet find_lesions(const LabelVolume& labels, const std::vector<Label>& table, double min_volume_mm3) {
  std::array<bool, 256> is_lesion{};
  for (const Label& label : table) is_lesion[label.value] = label.lesion;
  const Geometry& g = labels.geometry;
  Mask mask(labels.voxels.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = is_lesion[labels.voxels[i]];
  const Components components = connected_components(mask, g.size, Connectivity::corners26);

  std::vector<Sums> sums(components.voxel_counts.size());
  std::size_t voxel = 0;
  for (std::int64_t z = 0; z < g.size[2]; ++z)
    for (std::int64_t y = 0; y < g.size[1]; ++y)
      for (std::int64_t x = 0; x < g.size[0]; ++x, ++voxel) {
        if (!components.labels[voxel]) continue;
        Sums& s = sums[static_cast<std::size_t>(components.labels[voxel] - 1)];
        const Index3 at{x, y, z};
        ++s.count;
        ++s.by_label[labels.voxels[voxel]];
        for (std::size_t a = 0; a < 3; ++a) {
          s.index_sum[a] += static_cast<double>(at[a]);
          s.first[a] = std::min(s.first[a], at[a]);
          s.last[a] = std::max(s.last[a], at[a]);
        }
      }

  std::vector<std::size_t> order(sums.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return sums[a].count > sums[b].count; });
  LesionSet out;
  std::vector<std::uint16_t> id_of(sums.size() + 1, 0);
  for (std::size_t i : order) {
    Lesion lesion = describe(sums[i], g);
    if (lesion.volume_mm3 < min_volume_mm3 || out.lesions.size() == UINT16_MAX) break;
    lesion.id = static_cast<std::uint16_t>(out.lesions.size() + 1);
    id_of[i + 1] = lesion.id;
    out.lesions.push_back(std::move(lesion));
  }
  out.ids = LesionVolume(g);
  for (std::size_t i = 0; i < mask.size(); ++i)
    out.ids.voxels[i] = id_of[static_cast<std::size_t>(components.labels[i])];
  for (Lesion& lesion : out.lesions) measure_surface(out.ids, lesion);
  return out;
}

}  // namespace oncotome::engine
