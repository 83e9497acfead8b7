// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <algorithm>
#include <cmath>

#include "array.h"
#include "finish.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "oncotome/core/stopwatch.h"
#include "oncotome/engine/inference.h"

namespace oncotome::engine::monai {
namespace {

Array array_of(const ModelPackage& package, const std::vector<ChannelView>& channels,
               std::vector<std::string>& corrections) {
  const Geometry& grid = channels[package.reference_channel].geometry;
  const auto count = static_cast<std::int64_t>(channels.size()), X = grid.size[0], Y = grid.size[1], Z = grid.size[2];
  Array array{Tensor({count, X, Y, Z}), grid.axis, grid.spacing_mm};
  float* to = array.data.values.data();
  for (std::size_t c = 0; c < channels.size(); ++c) {
    Volume<float> moved;
    const float* voxels = channels[c].voxels;
    if (!same_grid(channels[c].geometry, grid)) {
      corrections.push_back(resampled_note(package, c));
      moved = resample_linear(channels[c], grid);
      voxels = moved.voxels.data();
    }
    for (std::int64_t x = 0; x < X; ++x)
      for (std::int64_t y = 0; y < Y; ++y)
        for (std::int64_t z = 0; z < Z; ++z) *to++ = voxels[x + X * (y + Y * z)];
  }
  return array;
}

/// The windows of one array: where they lie, and their part of it.
class Windows {
 public:
  Windows(const Window& window, const Dhw& size) : window_(window), size_(size) {
    for (std::size_t a = 0; a < 3; ++a) {
      roi_[a] = window.roi[a] > 0 ? window.roi[a] : size[a];
      const std::int64_t padded = std::max(size[a], roi_[a]);
      starts_[a] = window_starts(padded, roi_[a], window.overlap[a]);
      for (std::int64_t& start : starts_[a]) start -= (padded - size[a]) / 2;
    }
  }

  const Dhw& roi() const { return roi_; }
  std::size_t count() const { return starts_[0].size() * starts_[1].size() * starts_[2].size(); }

  template <class F>
  void for_each(F&& f) const {
    for (std::int64_t x : starts_[0])
      for (std::int64_t y : starts_[1])
        for (std::int64_t z : starts_[2]) f(Dhw{x, y, z});
  }

  void cut(const Tensor& source, const Dhw& start, Tensor& patch) const {
    patch.values = shift(source, start, roi_, window_.edge, static_cast<float>(window_.value)).values;
  }

  // Calls f(first voxel of a row in the array, in the window, length) where the window lies in the array.
  template <class F>
  void for_rows(const Dhw& start, F&& f) const {
    const std::int64_t z0 = std::max<std::int64_t>(0, start[2]), z1 = std::min(size_[2], start[2] + roi_[2]);
    for (std::int64_t x = std::max<std::int64_t>(0, start[0]); x < std::min(size_[0], start[0] + roi_[0]); ++x)
      for (std::int64_t y = std::max<std::int64_t>(0, start[1]); y < std::min(size_[1], start[1] + roi_[1]); ++y)
        f((x * size_[1] + y) * size_[2] + z0, ((x - start[0]) * roi_[1] + (y - start[1])) * roi_[2] + z0 - start[2],
          z1 - z0);
  }

 private:
  const Window& window_;
  const Dhw size_;
  Dhw roi_{};
  std::array<std::vector<std::int64_t>, 3> starts_;
};

Tensor infer(const Executable& network, const MonaiInference& inference, const Array& array, const Job& job) {
  const Windows windows(inference.window, array.size());
  const Dhw& roi = windows.roi();
  const Tensor weights = importance(inference.window, roi);
  const std::int64_t C = inference.network.in_channels, K = inference.network.out_channels;
  const std::int64_t volume = array.size()[0] * array.size()[1] * array.size()[2], part = roi[0] * roi[1] * roi[2];
  Tensor patch({1, C, roi[0], roi[1], roi[2]}), sum({K, array.size()[0], array.size()[1], array.size()[2]});
  std::vector<float> weight(static_cast<std::size_t>(volume));
  if (const auto& slice = inference.window.slice_axis) {
    patch.shape.erase(patch.shape.begin() + 2 + static_cast<std::ptrdiff_t>(*slice));
    if (!std::holds_alternative<Script>(inference.network.architecture)) patch.shape.insert(patch.shape.begin() + 2, 1);
  }
  std::vector<std::int64_t> expected = patch.shape;
  expected[1] = K;
  std::size_t done = 0;
  windows.for_each([&](const Dhw& start) {
    job.report("segment", 0.05 + 0.85 * static_cast<double>(done++) / static_cast<double>(windows.count()));
    windows.cut(array.data, start, patch);
    const Tensor out = run_checked(network, patch, expected, job);
    windows.for_rows(start, [&](std::int64_t to, std::int64_t from, std::int64_t n) {
      for (std::int64_t i = 0; i < n; ++i)
        weight[static_cast<std::size_t>(to + i)] += weights.values[static_cast<std::size_t>(from + i)];
    });
    for (std::int64_t k = 0; k < K; ++k)
      windows.for_rows(start, [&](std::int64_t to, std::int64_t from, std::int64_t n) {
        float* sums = sum.values.data() + k * volume + to;
        const float* values = out.values.data() + k * part + from;
        const float* w = weights.values.data() + from;
        for (std::int64_t i = 0; i < n; ++i) sums[i] += values[i] * w[i];
      });
  });
  parallel_for(0, K, [&](std::int64_t k) {
    float* scores = sum.values.data() + k * volume;
    for (std::size_t i = 0; i < weight.size(); ++i) {
      scores[i] /= weight[i];
      if (!std::isfinite(scores[i])) throw Error(ErrorCode::result_not_finite, "the network's output is not finite");
    }
  });
  return sum;
}

}  // namespace

std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window, double overlap) {
  if (extent <= window) return {0};
  const auto interval =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(window) * (1 - overlap)));
  std::vector<std::int64_t> starts{0};
  while (starts.back() + window < extent)
    starts.push_back(std::min(static_cast<std::int64_t>(starts.size()) * interval, extent - window));
  return starts;
}

Tensor importance(const Window& window, const Dhw& roi) {
  Tensor out({roi[0], roi[1], roi[2]}, 1.0F);
  if (!window.gaussian) return out;
  std::array<std::vector<float>, 3> line;
  for (std::size_t a = 0; a < 3; ++a) {
    const double sigma = static_cast<double>(roi[a]) * window.sigma_scale[a];
    for (std::int64_t i = 0; i < roi[a]; ++i) {
      const float x = static_cast<float>(i) - static_cast<float>(roi[a] - 1) / 2;
      line[a].push_back(std::exp(x * x / static_cast<float>(-2 * sigma * sigma)));
    }
  }
  float* to = out.values.data();
  for (float x : line[0])
    for (float y : line[1])
      for (float z : line[2]) *to++ = x * y * z;
  const float least = std::max(*std::min_element(out.values.begin(), out.values.end()), 1e-3F);
  for (float& v : out.values) v = std::max(v, least);
  return out;
}

Segmentation run(const Executable& network, const ModelPackage& package, const std::vector<ChannelView>& channels,
                 const SegmentRequest& request, const Job& job) {
  if (request.mask != nullptr || request.previous != nullptr)
    throw Error(ErrorCode::usage, "this model has no use for a mask or for labels; leave them out");
  if (request.probabilities || request.class_probabilities)
    throw Error(ErrorCode::usage, "this model gives no probabilities");
  check_inputs(package, channels);
  Stopwatch watch;
  Segmentation result;
  result.doubts = package.doubts;
  const auto& inference = std::get<MonaiInference>(package.inference);
  Array array = array_of(package, channels, result.corrections);
  const History history = prepare(array, inference.preparation, job);
  const Dhw size = array.size();
  result.steps.push_back({"prepare", "as the MONAI bundle says: " + inference.summary + "; " + std::to_string(size[0]) +
                                         " x " + std::to_string(size[1]) + " x " + std::to_string(size[2]) +
                                         " voxels"});
  Tensor scores = infer(network, inference, array, job);
  array.data = {};
  const Tensor labels = finish(std::move(scores), inference.finish, history, result.steps, job);
  LabelVolume& out = result.labels = LabelVolume(channels[package.reference_channel].geometry);
  const float* from = labels.values.data();
  const Index3& grid = out.geometry.size;
  for (std::int64_t x = 0; x < grid[0]; ++x)
    for (std::int64_t y = 0; y < grid[1]; ++y)
      for (std::int64_t z = 0; z < grid[2]; ++z) out.at(x, y, z) = static_cast<std::uint8_t>(*from++);
  result.timings_ms.emplace_back("network", watch.lap_ms());
  job.report("segment", 1.0);
  return result;
}

}  // namespace oncotome::engine::monai
