// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "oncotome/engine/inference.h"

namespace oncotome::engine {

std::vector<std::int64_t> tile_starts(std::int64_t extent, std::int64_t tile, double overlap) {
  if (extent <= tile) return {0};
  const double target = std::max(1.0, static_cast<double>(tile) * (1.0 - overlap));
  const auto steps = static_cast<std::int64_t>(std::ceil(static_cast<double>(extent - tile) / target));
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i <= steps; ++i)
    starts.push_back(
        std::llround(static_cast<double>(extent - tile) * static_cast<double>(i) / static_cast<double>(steps)));
  return starts;
}

Tensor gaussian_importance(const Dhw& tile) {
  Tensor out({tile[0], tile[1], tile[2]});
  const auto weight = [&](std::size_t axis, std::int64_t i) {
    const double center = 0.5 * static_cast<double>(tile[axis] - 1), sigma = static_cast<double>(tile[axis]) / 8.0;
    const double d = (static_cast<double>(i) - center) / sigma;
    return std::exp(-0.5 * d * d);
  };
  std::size_t voxel = 0;
  for (std::int64_t z = 0; z < tile[0]; ++z)
    for (std::int64_t y = 0; y < tile[1]; ++y)
      for (std::int64_t x = 0; x < tile[2]; ++x)
        out.values[voxel++] = static_cast<float>(weight(0, z) * weight(1, y) * weight(2, x));
  return out;
}

Tensor run_checked(const Executable& network, const Tensor& input, const std::vector<std::int64_t>& output_shape,
                   const Job& job) {
  const Job nodes([&job](std::string_view, double) { job.check(); });
  Tensor output = network.run(input, nodes);
  if (output.shape != output_shape)
    throw Error(ErrorCode::weights_invalid, "the network's output has another shape than its model package says");
  return output;
}

namespace {

/// Of logits that are sums over tiles, [K][voxels], with the sum of their weights.
std::vector<Probability> softmax(const std::vector<float>& sum, const std::vector<float>& weight,
                                 const std::vector<std::uint8_t>& class_labels) {
  const std::size_t volume = weight.size(), K = class_labels.size();
  std::vector<Probability> out;
  for (const std::uint8_t label : class_labels)
    if (label != 0) out.push_back({{label}, std::vector<float>(volume)});
  std::vector<double> share(K);
  for (std::size_t i = 0; i < volume; ++i) {
    double greatest = sum[i], total = 0;
    for (std::size_t k = 1; k < K; ++k) greatest = std::max<double>(greatest, sum[k * volume + i]);
    for (std::size_t k = 0; k < K; ++k) total += share[k] = std::exp((sum[k * volume + i] - greatest) / weight[i]);
    for (std::size_t k = 0, n = 0; k < K; ++k)
      if (class_labels[k] != 0) out[n++].values[i] = static_cast<float>(share[k] / total);
  }
  return out;
}

}  // namespace

std::vector<std::uint8_t> run_sliding_window(const Model& model, const TiledInference& inference,
                                             const Prepared& prepared, const Job& job,
                                             std::vector<Probability>* probabilities) {
  const Executable& network = model.network("tile");
  const Tensor& in = prepared.channels;
  const std::int64_t C = in.shape[0], D = in.shape[1], H = in.shape[2], W = in.shape[3];
  const auto K = static_cast<std::int64_t>(inference.class_labels.size());
  const Dhw tile = inference.patch_size;
  const Tensor importance = gaussian_importance(tile);
  const std::int64_t volume = D * H * W, tile_volume = tile[0] * tile[1] * tile[2];
  std::vector<float> sum(static_cast<std::size_t>(K * volume));
  std::vector<float> weight(static_cast<std::size_t>(probabilities ? volume : 0));

  // Where a tile's rows meet the volume; a volume smaller than the tile is centered in zeros.
  const std::array<std::int64_t, 3> extent{D, H, W};
  std::array<std::vector<std::int64_t>, 3> starts;
  for (std::size_t a = 0; a < 3; ++a) {
    starts[a] = tile_starts(extent[a], tile[a], inference.overlap);
    if (extent[a] < tile[a]) starts[a] = {-((tile[a] - extent[a]) / 2)};
  }
  const auto for_rows = [&](const Dhw& start, auto&& f) {
    const std::int64_t x0 = std::max<std::int64_t>(0, start[2]), x1 = std::min(W, start[2] + tile[2]);
    for (std::int64_t z = std::max<std::int64_t>(0, start[0]); z < std::min(D, start[0] + tile[0]); ++z)
      for (std::int64_t y = std::max<std::int64_t>(0, start[1]); y < std::min(H, start[1] + tile[1]); ++y)
        f(x0 + W * (y + H * z), (x0 - start[2]) + tile[2] * ((y - start[1]) + tile[1] * (z - start[0])), x1 - x0);
  };

  const std::size_t total = starts[0].size() * starts[1].size() * starts[2].size();
  std::size_t done = 0;
  Tensor patch({1, C, tile[0], tile[1], tile[2]});
  for (std::int64_t z : starts[0])
    for (std::int64_t y : starts[1])
      for (std::int64_t x : starts[2]) {
        job.report("segment", 0.05 + 0.95 * static_cast<double>(done++) / static_cast<double>(total));
        const Dhw start{z, y, x};
        std::fill(patch.values.begin(), patch.values.end(), 0.0F);
        for (std::int64_t c = 0; c < C; ++c)
          for_rows(start, [&](std::int64_t from, std::int64_t to, std::int64_t count) {
            std::copy_n(in.values.begin() + c * volume + from, count, patch.values.begin() + c * tile_volume + to);
          });
        const Tensor logits = run_checked(network, patch, {1, K, tile[0], tile[1], tile[2]}, job);
        if (probabilities)
          for_rows(start, [&](std::int64_t to, std::int64_t from, std::int64_t count) {
            for (std::int64_t i = 0; i < count; ++i)
              weight[static_cast<std::size_t>(to + i)] += importance.values[static_cast<std::size_t>(from + i)];
          });
        for (std::int64_t k = 0; k < K; ++k)
          for_rows(start, [&](std::int64_t to, std::int64_t from, std::int64_t count) {
            float* sums = sum.data() + k * volume + to;
            const float* values = logits.values.data() + k * tile_volume + from;
            const float* weights = importance.values.data() + from;
            for (std::int64_t i = 0; i < count; ++i) sums[i] += weights[i] * values[i];
          });
      }

  // The weights' sum scales all classes of a voxel alike: the greatest needs no division.
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(volume));
  for (std::int64_t i = 0; i < volume; ++i) {
    std::int64_t best = 0;
    for (std::int64_t k = 0; k < K; ++k) {
      const float value = sum[static_cast<std::size_t>(k * volume + i)];
      if (!std::isfinite(value)) throw Error(ErrorCode::result_not_finite, "the network's output is not finite");
      if (value > sum[static_cast<std::size_t>(best * volume + i)]) best = k;
    }
    labels[static_cast<std::size_t>(i)] = inference.class_labels[static_cast<std::size_t>(best)];
  }
  if (probabilities) *probabilities = softmax(sum, weight, inference.class_labels);
  job.report("segment", 1.0);
  return labels;
}

}  // namespace oncotome::engine
