// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "oncotome/engine/classification.h"

namespace oncotome::engine {
namespace {

// Of probabilities of anything but the background: the mask of those that are greater has the greatest expected Dice.
double threshold_of_expected_dice(const std::vector<float>& lesion) {
  constexpr double kLeast = 0.1;
  constexpr std::size_t kBins = 4096;
  std::vector<double> counts(kBins, 0), sums(kBins, 0);
  double all = 0;
  for (const float p : lesion) {
    const std::size_t bin = std::min(kBins - 1, static_cast<std::size_t>(std::max(0.0F, p) * kBins));
    ++counts[bin];
    sums[bin] += static_cast<double>(p);
    all += static_cast<double>(p);
  }
  double count = 0, sum = 0, best = -1, threshold = 1;
  for (std::size_t bin = kBins; bin-- > 0;) {
    const double low = static_cast<double>(bin) / kBins;
    if (low < kLeast) break;
    count += counts[bin];
    sum += sums[bin];
    const double dice = 2 * sum / (count + all);
    if (counts[bin] > 0 && dice > best) {
      best = dice;
      threshold = low;
    }
  }
  return threshold;
}

}  // namespace

std::vector<std::uint8_t> decide_labels(const Tensor& sums, LabelDecision decision) {
  const auto K = static_cast<std::size_t>(sums.shape[1]);
  const std::size_t voxels = sums.values.size() / K;
  const float* const values = sums.values.data();
  const auto most_probable = [&](std::size_t first, std::size_t v) {
    std::size_t best = first;
    for (std::size_t k = first + 1; k < K; ++k)
      if (values[k * voxels + v] > values[best * voxels + v]) best = k;
    return static_cast<std::uint8_t>(best);
  };
  std::vector<std::uint8_t> labels(voxels);
  if (decision == LabelDecision::most_probable) {
    for (std::size_t v = 0; v < voxels; ++v) labels[v] = most_probable(0, v);
    return labels;
  }
  std::vector<float> lesion(voxels);
  for (std::size_t v = 0; v < voxels; ++v) {
    float all = 0;
    for (std::size_t k = 0; k < K; ++k) all += values[k * voxels + v];
    lesion[v] = 1 - values[v] / all;
  }
  const double threshold = threshold_of_expected_dice(lesion);
  for (std::size_t v = 0; v < voxels; ++v)
    if (static_cast<double>(lesion[v]) >= threshold) labels[v] = most_probable(1, v);
  return labels;
}

}  // namespace oncotome::engine
