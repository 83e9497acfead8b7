// SPDX-License-Identifier: Apache-2.0
#include "coarse_grid.h"

#include <algorithm>
#include <cmath>

#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"

namespace oncotome::engine::total_segmentator {
namespace {

// Distance of the samples, in voxels of the source.
double sample_step(std::int64_t from, std::int64_t to) {
  return to > 1 ? static_cast<double>(from - 1) / static_cast<double>(to - 1) : 1.0;
}

/// Two voxels and their weights.
struct Tap {
  std::int64_t low, high;
  double low_weight, high_weight;
};

std::vector<Tap> linear_taps(std::int64_t from, std::int64_t to) {
  const double step = sample_step(from, to);
  std::vector<Tap> taps;
  for (std::int64_t i = 0; i < to; ++i) {
    const double at = std::clamp(static_cast<double>(i) * step, 0.0, static_cast<double>(from - 1));
    const double floor = std::floor(at), weight = at - floor;
    const auto low = static_cast<std::int64_t>(floor);
    taps.push_back({low, std::min(low + 1, from - 1), 1 - weight, weight});
  }
  return taps;
}

std::vector<std::int64_t> nearest_taps(std::int64_t from, std::int64_t to) {
  const double step = sample_step(from, to);
  std::vector<std::int64_t> taps;
  for (std::int64_t i = 0; i < to; ++i)
    taps.push_back(std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(static_cast<double>(i) * step + 0.5)),
                                            0, from - 1));
  return taps;
}

// As a cast to int32 of what fits.
float whole(double value) { return static_cast<float>(std::trunc(std::clamp(value, -2147483648.0, 2147483647.0))); }

}  // namespace

Canonical::Canonical(const Geometry& source) {
  const Index3 steps{1, source.size[0], source.size[0] * source.size[1]};
  const std::array<std::size_t, 3> patient = patient_axes(source.axis);
  std::array<double, 3> begin{};
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t to = patient[a];
    // R and A run against L and P.
    const bool flip = (source.axis[a][to] < 0) != (to < 2);
    grid.size[to] = source.size[a];
    grid.spacing_mm[to] = source.spacing_mm[a];
    grid.axis[to] = (flip ? -1.0 : 1.0) * source.axis[a];
    stride[to] = flip ? -steps[a] : steps[a];
    if (flip) {
      begin[a] = static_cast<double>(source.size[a] - 1);
      first += (source.size[a] - 1) * steps[a];
    }
  }
  grid.origin_mm = source.position_mm(begin);
}

Volume<float> to_coarse(const ChannelView& source, const Canonical& canonical, const std::optional<Vec3>& spacing_mm) {
  Geometry grid = canonical.grid;
  bool same = true;
  for (std::size_t a = 0; a < 3 && spacing_mm; ++a) {
    // Files hold spacings as floats, and the reference computes with these.
    const double before = static_cast<float>(grid.spacing_mm[a]), zoom = before / (*spacing_mm)[a];
    const double size = std::nearbyint(static_cast<double>(grid.size[a]) * zoom);
    if (!(size >= 1 && size <= 1e6))
      throw Error(ErrorCode::precondition_unmet, "the image is too small, or far too large, for the model's spacing");
    same = same && before == (*spacing_mm)[a];
    grid.size[a] = static_cast<std::int64_t>(size);
    grid.spacing_mm[a] /= zoom;
  }
  check_voxel_count(grid.size);
  if (same) grid = canonical.grid;
  Volume<float> out(grid);
  const float* voxels = source.voxels;
  if (same) {
    parallel_for(0, grid.size[2], [&](std::int64_t z) {
      std::size_t to = out.offset(0, 0, z);
      for (std::int64_t y = 0; y < grid.size[1]; ++y)
        for (std::int64_t x = 0; x < grid.size[0]; ++x) out.voxels[to++] = voxels[canonical.offset(x, y, z)];
    });
    return out;
  }
  const std::vector<Tap> xs = linear_taps(canonical.grid.size[0], grid.size[0]),
                         ys = linear_taps(canonical.grid.size[1], grid.size[1]),
                         zs = linear_taps(canonical.grid.size[2], grid.size[2]);
  parallel_for(0, grid.size[2], [&](std::int64_t k) {
    const Tap& z = zs[static_cast<std::size_t>(k)];
    std::size_t to = out.offset(0, 0, k);
    for (const Tap& y : ys)
      for (const Tap& x : xs) {
        const auto value = [&](std::int64_t i, double wx, std::int64_t j, double wy, std::int64_t l, double wz) {
          return static_cast<double>(voxels[canonical.offset(i, j, l)]) * wx * wy * wz;
        };
        // In scipy's order of sums: what lies close to a whole number must fall on the same side of it.
        double sum = value(x.low, x.low_weight, y.low, y.low_weight, z.low, z.low_weight);
        sum += value(x.low, x.low_weight, y.low, y.low_weight, z.high, z.high_weight);
        sum += value(x.low, x.low_weight, y.high, y.high_weight, z.low, z.low_weight);
        sum += value(x.low, x.low_weight, y.high, y.high_weight, z.high, z.high_weight);
        sum += value(x.high, x.high_weight, y.low, y.low_weight, z.low, z.low_weight);
        sum += value(x.high, x.high_weight, y.low, y.low_weight, z.high, z.high_weight);
        sum += value(x.high, x.high_weight, y.high, y.high_weight, z.low, z.low_weight);
        sum += value(x.high, x.high_weight, y.high, y.high_weight, z.high, z.high_weight);
        out.voxels[to++] = whole(sum);
      }
  });
  return out;
}

LabelVolume from_coarse(const LabelVolume& coarse, const Canonical& canonical, const Geometry& source) {
  LabelVolume out(source);
  const Index3 &from = coarse.geometry.size, &size = canonical.grid.size;
  const auto xs = nearest_taps(from[0], size[0]), ys = nearest_taps(from[1], size[1]),
             zs = nearest_taps(from[2], size[2]);
  parallel_for(0, size[2], [&](std::int64_t z) {
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[0]; ++x)
        out.voxels[canonical.offset(x, y, z)] = coarse.at(
            xs[static_cast<std::size_t>(x)], ys[static_cast<std::size_t>(y)], zs[static_cast<std::size_t>(z)]);
  });
  return out;
}

}  // namespace oncotome::engine::total_segmentator
