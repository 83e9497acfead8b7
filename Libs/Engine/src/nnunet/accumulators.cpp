// SPDX-License-Identifier: Apache-2.0
#include "accumulators.h"

#include <algorithm>
#include <cmath>

#include "../compute_kernels.h"
#include "oncotome/core/parallel.h"

namespace oncotome::engine::nnunet {

std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t tile, double step) {
  const auto last = static_cast<double>(extent - tile);
  const auto steps = static_cast<std::int64_t>(std::ceil(last / (static_cast<double>(tile) * step)));
  std::vector<std::int64_t> starts;
  // nearbyint rounds ties to even, as numpy does.
  for (std::int64_t i = 0; i <= steps; ++i)
    starts.push_back(steps == 0 ? 0
                                : static_cast<std::int64_t>(
                                      std::nearbyint(last / static_cast<double>(steps) * static_cast<double>(i))));
  return starts;
}

Tensor window_importance(const Dhw& tile, bool is_2d) {
  // scipy.ndimage.gaussian_filter of an impulse at tile / 2: a truncated kernel of sum 1 along each axis.
  const auto axis = [](std::int64_t n) {
    const double sigma = static_cast<double>(n) / 8;
    const auto radius = static_cast<std::int64_t>(std::lround(4 * sigma));
    double sum = 0;
    std::vector<double> out(static_cast<std::size_t>(n));
    for (std::int64_t d = -radius; d <= radius; ++d) {
      const double value = std::exp(-0.5 / (sigma * sigma) * static_cast<double>(d * d));
      sum += value;
      if (n / 2 + d >= 0 && n / 2 + d < n) out[static_cast<std::size_t>(n / 2 + d)] = value;
    }
    for (double& value : out) value /= sum;
    return out;
  };
  const std::vector<double> z = is_2d ? std::vector<double>{1} : axis(tile[0]), y = axis(tile[1]), x = axis(tile[2]);
  const auto greatest = [](const std::vector<double>& v) { return v[v.size() / 2]; };
  const double scale = greatest(z) * greatest(y) * greatest(x) / 10;

  Tensor out({tile[0], tile[1], tile[2]});
  std::size_t voxel = 0;
  for (const double a : z)
    for (const double b : y)
      for (const double c : x) out.values[voxel++] = static_cast<float>(a * b * c / scale);
  std::vector<std::uint16_t> halves(voxel);
  const kernels::Kernels& kernels = compute_kernels();
  kernels.half_from_float(out.values.data(), halves.data(), voxel);
  std::uint16_t least = 0x7C00;
  for (const std::uint16_t half : halves)
    if (half != 0) least = std::min(least, half);
  std::replace(halves.begin(), halves.end(), std::uint16_t{0}, least);
  kernels.float_from_half(halves.data(), out.values.data(), voxel);
  return out;
}

template <class T>
TileSums<T>::TileSums(const Dhw& extent, std::int64_t channels, std::int64_t depth)
    : extent_(extent),
      channels_(channels),
      slices_(static_cast<std::size_t>(std::min(depth, extent[0])),
              std::vector<T>(static_cast<std::size_t>(extent[1] * channels * extent[2]))) {}

template <class T>
void TileSums<T>::add(const Tensor& tile, const Tensor& importance, const Dhw& start) {
  const auto& size = importance.shape;
  std::array<std::int64_t, 3> first{}, last{};
  for (std::size_t a = 0; a < 3; ++a) {
    first[a] = std::max<std::int64_t>(0, start[a]);
    last[a] = std::min(extent_[a], start[a] + size[a]);
  }
  const auto n = static_cast<std::size_t>(last[2] - first[2]);
  parallel_for(first[0], last[0], [&](std::int64_t z) {
    for (std::int64_t y = first[1]; y < last[1]; ++y) {
      const std::int64_t from = ((z - start[0]) * size[1] + y - start[1]) * size[2] + first[2] - start[2];
      for (std::int64_t k = 0; k < channels_; ++k)
        accumulate(row(z, y, k) + first[2], tile.values.data() + k * size[0] * size[1] * size[2] + from,
                   importance.values.data() + from, n);
    }
  });
}

template <class T>
void TileSums<T>::clear(std::int64_t z) {
  auto& slice = slices_[static_cast<std::size_t>(z) % slices_.size()];
  std::fill(slice.begin(), slice.end(), T{0});
}

template class TileSums<std::uint16_t>;
template class TileSums<float>;

bool divide(std::uint16_t* value, const std::uint16_t* by, std::size_t n) {
  return compute_kernels().divide(value, by, n);
}

bool divide(float* value, const float* by, std::size_t n) {
  bool finite = true;
  for (std::size_t i = 0; i < n; ++i) {
    value[i] /= by[i];
    finite = finite && std::isfinite(value[i]);
  }
  return finite;
}

void accumulate(std::uint16_t* sum, const float* value, const float* weight, std::size_t n) {
  compute_kernels().accumulate(sum, value, weight, n);
}

void accumulate(float* sum, const float* value, const float* weight, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) sum[i] += value[i] * weight[i];
}

void to_float(const std::uint16_t* in, float* out, std::size_t n) { compute_kernels().float_from_half(in, out, n); }
void to_float(const float* in, float* out, std::size_t n) { std::copy_n(in, n, out); }
void from_float(const float* in, std::uint16_t* out, std::size_t n) { compute_kernels().half_from_float(in, out, n); }
void from_float(const float* in, float* out, std::size_t n) { std::copy_n(in, n, out); }

}  // namespace oncotome::engine::nnunet
