// SPDX-License-Identifier: Apache-2.0
#include "labels.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "oncotome/engine/components.h"

namespace oncotome::engine::total_segmentator {
namespace {

// Removes the pieces of `label` that keep(count of voxels, index of the piece, all counts) does not want.
template <class Keep>
void filter(LabelVolume& labels, std::uint8_t label, Keep&& keep) {
  Mask mask(labels.voxels.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = labels.voxels[i] == label;
  const Components pieces = connected_components(mask, labels.geometry.size, Connectivity::faces6);
  std::vector<bool> kept(pieces.voxel_counts.size() + 1, false);
  for (std::size_t p = 1; p < kept.size(); ++p) kept[p] = keep(p - 1, pieces.voxel_counts);
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (mask[i] && !kept[static_cast<std::size_t>(pieces.labels[i])]) labels.voxels[i] = 0;
}

double voxel_volume_mm3(const Geometry& grid) {
  float volume = 1;
  for (double mm : grid.spacing_mm) volume *= static_cast<float>(mm);
  return volume;
}

}  // namespace

void keep_largest(LabelVolume& labels, std::uint8_t label) {
  filter(labels, label, [](std::size_t piece, const std::vector<std::int64_t>& counts) {
    return piece == static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
  });
}

void remove_small(LabelVolume& labels, std::uint8_t label, double min_volume_mm3) {
  const double least = min_volume_mm3 / voxel_volume_mm3(labels.geometry);
  filter(labels, label, [least](std::size_t piece, const std::vector<std::int64_t>& counts) {
    return static_cast<double>(counts[piece]) > least;
  });
}

std::vector<LabelStatistics> measure(const LabelVolume& labels, const float* image, const std::vector<Label>& table) {
  std::array<std::int64_t, 256> counts{};
  std::array<double, 256> sums{};
  std::array<bool, 256> at_border{};
  const Index3& size = labels.geometry.size;
  const auto outermost = [&](std::int64_t i, std::size_t a) { return i < 3 || i >= size[a] - 3; };
  std::size_t voxel = 0;
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[0]; ++x, ++voxel) {
        const std::uint8_t label = labels.voxels[voxel];
        if (label == 0) continue;
        ++counts[label];
        sums[label] += std::trunc(static_cast<double>(image[voxel]));
        if (outermost(x, 0) || outermost(y, 1) || outermost(z, 2)) at_border[label] = true;
      }
  const double voxel_mm3 = voxel_volume_mm3(labels.geometry);
  std::vector<LabelStatistics> out;
  for (const Label& label : table) {
    LabelStatistics one;
    one.label = label.value;
    one.touches_border = at_border[label.value];
    const auto count = static_cast<double>(counts[label.value]);
    if (count > 0 && !one.touches_border) {
      one.volume_mm3 = count * voxel_mm3;
      one.mean_intensity = sums[label.value] / count;
    }
    out.push_back(one);
  }
  return out;
}

}  // namespace oncotome::engine::total_segmentator
