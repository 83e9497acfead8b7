// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/lesions.h"

#include <algorithm>
#include <string>

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

std::int64_t box_cells(const Lesion& lesion) {
  std::int64_t cells = 1;
  for (std::size_t a = 0; a < 3; ++a) cells *= lesion.last_index[a] - lesion.first_index[a] + 2;
  return cells;
}

}  // namespace

LesionSet find_lesions(const LabelVolume& labels, const std::vector<Label>& table, double min_volume_mm3,
                       const Job& job) {
  std::array<bool, 256> is_lesion{};
  for (const Label& label : table) is_lesion[label.value] = label.lesion;
  const Geometry& g = labels.geometry;
  Mask mask(labels.voxels.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = is_lesion[labels.voxels[i]];
  const Components components = by_falling_count(connected_components(mask, g.size, Connectivity::corners26));

  std::vector<Sums> sums(components.voxel_counts.size());
  for (std::int64_t z = 0; z < g.size[2]; ++z) {
    job.report("measure", 0.1 * static_cast<double>(z) / static_cast<double>(g.size[2]));
    for (std::int64_t y = 0; y < g.size[1]; ++y) {
      job.check();
      const auto row = static_cast<std::size_t>(g.size[0] * (y + g.size[1] * z));
      const std::int32_t* component = components.labels.data() + row;
      const std::uint8_t* label = labels.voxels.data() + row;
      for (std::int64_t x = 0, end = 0; x < g.size[0]; x = end) {
        for (end = x + 1; end < g.size[0] && component[end] == component[x] && label[end] == label[x];) ++end;
        if (!component[x]) continue;
        Sums& s = sums[static_cast<std::size_t>(component[x] - 1)];
        const std::int64_t n = end - x;
        s.count += n;
        s.by_label[label[x]] += n;
        const Index3 sum{n * (x + end - 1) / 2, n * y, n * z}, from{x, y, z}, to{end - 1, y, z};
        for (std::size_t a = 0; a < 3; ++a) {
          s.index_sum[a] += static_cast<double>(sum[a]);
          s.first[a] = std::min(s.first[a], from[a]);
          s.last[a] = std::max(s.last[a], to[a]);
        }
      }
    }
  }

  const auto too_small = std::find_if(sums.begin(), sums.end(), [&](const Sums& s) {
    return static_cast<double>(s.count) * g.voxel_volume_mm3() < min_volume_mm3;
  });
  sums.erase(too_small, sums.end());
  if (sums.size() > UINT16_MAX)
    throw Error(ErrorCode::precondition_unmet,
                "the labels fall into " + std::to_string(sums.size()) +
                    " separate lesions, more than the 65535 that can be numbered; raise the least lesion volume");
  LesionSet out;
  std::int64_t cells = 0;
  for (const Sums& s : sums) {
    out.lesions.push_back(describe(s, g));
    out.lesions.back().id = static_cast<std::uint16_t>(out.lesions.size());
    cells += box_cells(out.lesions.back());
  }
  out.ids = LesionVolume(g);
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const auto id = static_cast<std::size_t>(components.labels[i]);
    out.ids.voxels[i] = id <= sums.size() ? static_cast<std::uint16_t>(id) : std::uint16_t{0};
  }
  std::int64_t done = 0;
  const auto fraction = [&] { return 0.1 + 0.9 * static_cast<double>(done) / static_cast<double>(cells); };
  for (Lesion& lesion : out.lesions) {
    const double from = fraction();
    done += box_cells(lesion);
    measure_surface(out.ids, lesion, job, from, fraction());
  }
  return out;
}

}  // namespace oncotome::engine
