// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/resample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"

namespace oncotome::engine {
namespace {

/// Affine map from target index to source index.
struct IndexMap {
  Vec3 origin;
  std::array<Vec3, 3> step;  // per target axis

  IndexMap(const Geometry& source, const Geometry& target) : origin(source.index_of(target.origin_mm)) {
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t r = 0; r < 3; ++r)
        step[a][r] = target.spacing_mm[a] * dot(target.axis[a], source.axis[r]) / source.spacing_mm[r];
  }

  Vec3 at(std::int64_t x, std::int64_t y, std::int64_t z) const {
    return origin + static_cast<double>(x) * step[0] + static_cast<double>(y) * step[1] +
           static_cast<double>(z) * step[2];
  }
};

// Calls f(voxel, source index, inside) for every voxel of the target; slices in any order, several at once.
template <class F>
void for_each_voxel(const Geometry& source, const Geometry& target, F&& f) {
  const IndexMap map(source, target);
  parallel_for(0, target.size[2], [&](std::int64_t z) {
    auto voxel = static_cast<std::size_t>(z * target.size[1] * target.size[0]);
    for (std::int64_t y = 0; y < target.size[1]; ++y)
      for (std::int64_t x = 0; x < target.size[0]; ++x, ++voxel) {
        const Vec3 p = map.at(x, y, z);
        bool inside = true;
        for (std::size_t a = 0; a < 3; ++a)
          inside = inside && p[a] > -0.5 - 1e-4 && p[a] < static_cast<double>(source.size[a]) - 0.5 + 1e-4;
        f(voxel, p, inside);
      }
  });
}

template <class T, class Sample>
void fill(Volume<T>& out, const Geometry& source, Sample&& sample) {
  for_each_voxel(source, out.geometry, [&](std::size_t voxel, const Vec3& p, bool inside) {
    if (inside) out.voxels[voxel] = sample(p);
  });
}

}  // namespace

std::array<std::size_t, 3> patient_axes(const std::array<Vec3, 3>& axis) {
  std::array<std::size_t, 3> order{0, 1, 2}, out{};
  const auto strength = [&](std::size_t a) {
    double most = 0;
    for (double v : axis[a]) most = std::max(most, v * v);
    return most;
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return strength(a) > strength(b); });
  std::array<bool, 3> taken{};
  for (std::size_t a : order) {
    std::size_t to = 3;
    for (std::size_t b = 0; b < 3; ++b)
      if (!taken[b] && (to == 3 || std::abs(axis[a][b]) > std::abs(axis[a][to]))) to = b;
    taken[to] = true;
    out[a] = to;
  }
  return out;
}

void check_voxel_count(const Index3& size) {
  if (static_cast<double>(size[0]) * static_cast<double>(size[1]) * static_cast<double>(size[2]) > 1e10)
    throw Error(ErrorCode::precondition_unmet, "the image is far too large for the model's spacing");
}

Geometry oriented(const Geometry& grid, const std::array<bool, 3>& against_lps) {
  // Of the six ways to name the axes, the one that turns them least.
  std::array<std::size_t, 3> best{0, 1, 2}, order{0, 1, 2};
  double best_score = -1;
  do {
    double score = 0;
    for (std::size_t a = 0; a < 3; ++a) score += std::abs(grid.axis[order[a]][a]);
    if (score > best_score + 1e-9) {
      best_score = score;
      best = order;
    }
  } while (std::next_permutation(order.begin(), order.end()));

  Geometry out;
  Vec3 first{};
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t from = best[a];
    const bool flip = (grid.axis[from][a] < 0) != against_lps[a];
    out.size[a] = grid.size[from];
    out.spacing_mm[a] = grid.spacing_mm[from];
    out.axis[a] = (flip ? -1.0 : 1.0) * grid.axis[from];
    if (flip) first[from] = static_cast<double>(grid.size[from] - 1);
  }
  out.origin_mm = grid.position_mm(first);
  return out;
}

Geometry conformed(const Geometry& grid, std::int64_t size, double spacing_mm) {
  const auto middle = [](const Geometry& g) {
    return g.position_mm({0.5 * static_cast<double>(g.size[0] - 1), 0.5 * static_cast<double>(g.size[1] - 1),
                          0.5 * static_cast<double>(g.size[2] - 1)});
  };
  Geometry out;
  out.size = {size, size, size};
  out.spacing_mm = {spacing_mm, spacing_mm, spacing_mm};
  out.axis = {{{0, -1, 0}, {0, 0, -1}, {1, 0, 0}}};
  out.origin_mm = middle(grid) - middle(out);
  return out;
}

Geometry respaced(const Geometry& grid, const Vec3& spacing_mm) {
  Geometry out = grid;
  for (std::size_t a = 0; a < 3; ++a) {
    if (std::abs(spacing_mm[a] - grid.spacing_mm[a]) < 1e-3 * spacing_mm[a]) continue;
    const double extent = static_cast<double>(grid.size[a]) * grid.spacing_mm[a];
    out.size[a] = std::max<std::int64_t>(1, std::llround(std::min(extent / spacing_mm[a], 2e10)));
    out.spacing_mm[a] = spacing_mm[a];
    const double shift = 0.5 * (extent - static_cast<double>(out.size[a] - 1) * spacing_mm[a] - grid.spacing_mm[a]);
    out.origin_mm = out.origin_mm + shift * grid.axis[a];
  }
  check_voxel_count(out.size);
  return out;
}

Volume<float> resample_linear(const ChannelView& source, const Geometry& target) {
  Volume<float> out(target);
  const Index3& n = source.geometry.size;
  fill(out, source.geometry, [&](const Vec3& p) {
    std::array<std::int64_t, 3> low, high;
    std::array<double, 3> weight;
    for (std::size_t a = 0; a < 3; ++a) {
      double v = std::clamp(p[a], 0.0, static_cast<double>(n[a] - 1));
      if (std::abs(v - std::round(v)) < 1e-4) v = std::round(v);
      low[a] = static_cast<std::int64_t>(v);
      high[a] = std::min(low[a] + 1, n[a] - 1);
      weight[a] = v - static_cast<double>(low[a]);
    }
    const auto value = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
      return static_cast<double>(source.voxels[static_cast<std::size_t>(x + n[0] * (y + n[1] * z))]);
    };
    if (weight == std::array<double, 3>{0, 0, 0}) return static_cast<float>(value(low[0], low[1], low[2]));
    const auto along_x = [&](std::int64_t y, std::int64_t z) {
      return (1 - weight[0]) * value(low[0], y, z) + weight[0] * value(high[0], y, z);
    };
    const auto along_y = [&](std::int64_t z) {
      return (1 - weight[1]) * along_x(low[1], z) + weight[1] * along_x(high[1], z);
    };
    return static_cast<float>((1 - weight[2]) * along_y(low[2]) + weight[2] * along_y(high[2]));
  });
  return out;
}

Volume<float> resample_cubic(const ChannelView& source, const Geometry& target) {
  Volume<float> out(target);
  const Index3& n = source.geometry.size;
  fill(out, source.geometry, [&](const Vec3& p) {
    std::array<std::array<std::int64_t, 4>, 3> index;
    std::array<std::array<double, 4>, 3> weight;
    bool meets = true;
    for (std::size_t a = 0; a < 3; ++a) {
      double v = std::clamp(p[a], 0.0, static_cast<double>(n[a] - 1));
      if (std::abs(v - std::round(v)) < 1e-4) v = std::round(v);
      const auto low = std::min(static_cast<std::int64_t>(v), std::max<std::int64_t>(0, n[a] - 2));
      const double t = v - static_cast<double>(low);
      for (std::int64_t k = 0; k < 4; ++k)
        index[a][static_cast<std::size_t>(k)] = std::clamp<std::int64_t>(low + k - 1, 0, n[a] - 1);
      meets = meets && t == 0;
      if (t == 0 || low < 1 || low + 2 >= n[a])
        weight[a] = {0, 1 - t, t, 0};  // linear between the outermost two
      else
        weight[a] = {0.5 * t * ((2 - t) * t - 1), 0.5 * (t * t * (3 * t - 5) + 2), 0.5 * t * ((4 - 3 * t) * t + 1),
                     0.5 * t * t * (t - 1)};
    }
    const auto value = [&](std::size_t i, std::size_t j, std::size_t k) {
      return source.voxels[static_cast<std::size_t>(index[0][i] + n[0] * (index[1][j] + n[1] * index[2][k]))];
    };
    if (meets) return value(1, 1, 1);
    float least = value(1, 1, 1), most = least;
    for (std::size_t corner = 1; corner < 8; ++corner) {
      const float v = value(1 + (corner & 1), 1 + (corner >> 1 & 1), 1 + (corner >> 2));
      least = std::min(least, v);
      most = std::max(most, v);
    }
    if (least == most) return least;
    double sum = 0;
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t j = 0; j < 4; ++j) {
        const double w = weight[1][j] * weight[2][k];
        if (w == 0) continue;
        for (std::size_t i = 0; i < 4; ++i) sum += w * weight[0][i] * static_cast<double>(value(i, j, k));
      }
    return std::clamp(static_cast<float>(sum), least, most);
  });
  return out;
}

std::size_t count_outside(const Geometry& source, const Geometry& target, const std::vector<std::uint8_t>& mask) {
  const auto slice = static_cast<std::size_t>(target.size[0] * target.size[1]);
  std::vector<std::size_t> counts(static_cast<std::size_t>(target.size[2]));
  for_each_voxel(source, target, [&](std::size_t voxel, const Vec3&, bool inside) {
    if (!inside && (mask.empty() || mask[voxel])) ++counts[voxel / slice];
  });
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

LabelVolume resample_nearest(const LabelVolume& source, const Geometry& target) {
  LabelVolume out(target);
  const Index3& n = source.geometry.size;
  fill(out, source.geometry, [&](const Vec3& p) {
    Index3 i;
    for (std::size_t a = 0; a < 3; ++a) i[a] = std::clamp<std::int64_t>(std::llround(p[a]), 0, n[a] - 1);
    return source.at(i[0], i[1], i[2]);
  });
  return out;
}

}  // namespace oncotome::engine
