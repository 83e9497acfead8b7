// SPDX-License-Identifier: Apache-2.0
#include "window_level.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace oncotome::render {
namespace {

// About a million voxels give percentiles that are good enough for a window.
constexpr std::size_t kSamples = 1'000'000;

float quantile(std::vector<float>& values, double q) {
  const auto at = static_cast<std::size_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

bool lies_in_lung(const Scene& scene, const Lesion* lesion) {
  const Geometry& g = scene.image->geometry;
  Index3 first{};
  Index3 last{};
  Index3 step{};
  for (std::size_t a = 0; a < 3; ++a) {
    const auto grow = static_cast<std::int64_t>(std::ceil(15.0 / g.spacing_mm[a]));
    first[a] = lesion ? std::max<std::int64_t>(0, lesion->first_index[a] - grow) : g.size[a] / 4;
    last[a] = lesion ? std::min(g.size[a] - 1, lesion->last_index[a] + grow) : g.size[a] - 1 - g.size[a] / 4;
    step[a] = (last[a] - first[a]) / 64 + 1;
  }
  std::vector<float> values;
  for (std::int64_t z = first[2]; z <= last[2]; z += step[2])
    for (std::int64_t y = first[1]; y <= last[1]; y += step[1])
      for (std::int64_t x = first[0]; x <= last[0]; x += step[0])
        if (!lesion || scene.lesion_ids->at(x, y, z) != lesion->id) values.push_back(scene.image->at(x, y, z));
  return !values.empty() && quantile(values, 0.5) < -300;
}

}  // namespace

WindowLevel window_level(const Scene& scene, const Lesion* lesion) {
  if (scene.modality == "CT") {
    if (lies_in_lung(scene, lesion)) return {-1350, 150, "W 1500 C -600"};
    return {-160, 240, "W 400 C 40"};
  }
  std::vector<float> values;
  const std::size_t step = scene.image->voxels.size() / kSamples + 1;
  for (std::size_t i = 0; i < scene.image->voxels.size(); i += step)
    if (scene.image->voxels[i] != 0) values.push_back(scene.image->voxels[i]);
  if (values.empty()) return {};
  const double low = quantile(values, 0.01);
  double high = quantile(values, 0.995);
  values.clear();
  for (std::size_t i = 0; i < scene.image->voxels.size(); ++i)
    if (scene.lesion_ids->voxels[i] != 0) values.push_back(scene.image->voxels[i]);
  if (!values.empty()) high = std::max<double>(high, quantile(values, 0.95));
  return {low, high > low ? high : low + 1, ""};
}

double body_threshold(const Scene& scene, const WindowLevel& window) {
  if (scene.modality == "CT") return -300;
  // An image whose surroundings were blanked is body wherever it is not zero.
  const auto& voxels = scene.image->voxels;
  const auto blank = static_cast<std::size_t>(std::count(voxels.begin(), voxels.end(), 0.0F));
  return blank > voxels.size() / 4 ? 0 : window.low + 0.08 * (window.high - window.low);
}

}  // namespace oncotome::render
