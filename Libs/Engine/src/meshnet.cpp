// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "oncotome/engine/components.h"
#include "oncotome/engine/inference.h"

namespace oncotome::engine {
namespace {

// Calls f(first voxel of a row in the volume, in the box, length).
template <class F>
void for_rows(const Index3& size, const Index3& first, const Index3& box, F&& f) {
  for (std::int64_t z = 0; z < box[2]; ++z)
    for (std::int64_t y = 0; y < box[1]; ++y)
      f(first[0] + size[0] * (y + first[1] + size[1] * (z + first[2])), box[0] * (y + box[1] * z), box[0]);
}

void keep_largest(std::vector<std::uint8_t>& labels, const Index3& size, std::vector<StepNote>& steps) {
  const Components parts = connected_components(labels, size, Connectivity::corners26);
  if (parts.voxel_counts.empty()) return;
  const auto most = std::max_element(parts.voxel_counts.begin(), parts.voxel_counts.end());
  const auto kept = static_cast<std::int32_t>(most - parts.voxel_counts.begin()) + 1;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (parts.labels[i] != kept) labels[i] = 0;
  const auto all = std::accumulate(parts.voxel_counts.begin(), parts.voxel_counts.end(), std::int64_t{0});
  char note[96];
  std::snprintf(note, sizeof note, "the largest of %zu components, %.1f %% of them all", parts.voxel_counts.size(),
                100 * static_cast<double>(*most) / static_cast<double>(all));
  steps.push_back({"components", note});
}

}  // namespace

std::vector<std::uint8_t> run_meshnet(const Model& model, const MeshNetInference& inference, Prepared& prepared,
                                      const Job& job) {
  const Index3& size = prepared.grid.size;
  const auto volume = static_cast<std::int64_t>(prepared.grid.voxel_count());
  const std::int64_t C = prepared.channels.shape[0], K = inference.network.out_channels;
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(volume));
  Index3 first, last, box;
  {
    Mask head(labels.size());
    for (std::size_t i = 0; i < head.size(); ++i) head[i] = prepared.channels.values[i] > inference.crop_above;
    if (!bounding_box(head, size, inference.crop_margin, first, last)) return labels;
  }
  for (std::size_t a = 0; a < 3; ++a) box[a] = last[a] - first[a] + 1;
  Tensor input({1, C, box[2], box[1], box[0]});
  const std::int64_t count = box[0] * box[1] * box[2];
  for (std::int64_t c = 0; c < C; ++c)
    for_rows(size, first, box, [&](std::int64_t from, std::int64_t to, std::int64_t n) {
      std::copy_n(prepared.channels.values.begin() + c * volume + from, n, input.values.begin() + c * count + to);
    });
  const Job layers([&job](std::string_view, double fraction) { job.report("segment", 0.05 + 0.95 * fraction); });
  const Tensor logits = model.network("meshnet").run(input, layers);
  if (logits.shape != std::vector<std::int64_t>{1, K, box[2], box[1], box[0]})
    throw Error(ErrorCode::weights_invalid, "the network's output has another shape than model.json says");
  for_rows(size, first, box, [&](std::int64_t to, std::int64_t from, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t best = 0;
      for (std::int64_t k = 0; k < K; ++k) {
        const float value = logits.values[static_cast<std::size_t>(k * count + from + i)];
        if (!std::isfinite(value)) throw Error(ErrorCode::result_not_finite, "the network's output is not finite");
        if (value > logits.values[static_cast<std::size_t>(best * count + from + i)]) best = k;
      }
      labels[static_cast<std::size_t>(to + i)] = inference.class_labels[static_cast<std::size_t>(best)];
    }
  });
  if (inference.largest_component) keep_largest(labels, size, prepared.steps);
  job.report("segment", 1.0);
  return labels;
}

}  // namespace oncotome::engine
