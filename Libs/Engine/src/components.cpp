// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/components.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

namespace oncotome::engine {
namespace {

std::vector<Index3> neighbors(Connectivity connectivity) {
  std::vector<Index3> out;
  for (std::int64_t z = -1; z <= 1; ++z)
    for (std::int64_t y = -1; y <= 1; ++y)
      for (std::int64_t x = -1; x <= 1; ++x) {
        const auto steps = std::abs(x) + std::abs(y) + std::abs(z);
        if (steps > 0 && steps <= static_cast<std::int64_t>(connectivity)) out.push_back({x, y, z});
      }
  return out;
}

// Calls f(index, offset of the neighbor or -1 outside) for every neighbor of every voxel chosen.
template <class Choose, class F>
void for_each_neighbor(const Index3& size, Connectivity connectivity, Choose&& choose, F&& f) {
  const auto around = neighbors(connectivity);
  std::size_t voxel = 0;
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[0]; ++x, ++voxel) {
        if (!choose(voxel)) continue;
        for (const Index3& d : around) {
          const std::int64_t u = x + d[0], v = y + d[1], w = z + d[2];
          const bool inside = u >= 0 && v >= 0 && w >= 0 && u < size[0] && v < size[1] && w < size[2];
          f(voxel, inside ? u + size[0] * (v + size[1] * w) : -1);
        }
      }
}

}  // namespace

namespace {

/// A stretch of set voxels along x; `parent` leads to the component's first run.
struct Run {
  std::int64_t first, last;
  std::size_t parent;
};

std::size_t root_of(std::vector<Run>& runs, std::size_t i) {
  while (runs[i].parent != i) i = runs[i].parent = runs[runs[i].parent].parent;
  return i;
}

// Joins the runs of two rows that touch when x may differ by `reach`; both are sorted along x.
void join_rows(std::vector<Run>& runs, std::size_t a, std::size_t a_end, std::size_t b, std::size_t b_end,
               std::int64_t reach) {
  while (a < a_end && b < b_end) {
    if (runs[a].first <= runs[b].last + reach && runs[b].first <= runs[a].last + reach) {
      const std::size_t x = root_of(runs, a), y = root_of(runs, b);
      runs[std::max(x, y)].parent = std::min(x, y);
    }
    if (runs[a].last < runs[b].last)
      ++a;
    else
      ++b;
  }
}

}  // namespace

Components connected_components(const Mask& mask, const Index3& size, Connectivity connectivity) {
  std::vector<Run> runs;
  std::vector<std::size_t> row_begin{0};
  for (std::int64_t row = 0; row < size[1] * size[2]; ++row) {
    const std::uint8_t* voxels = mask.data() + row * size[0];
    for (std::int64_t x = 0; x < size[0]; ++x) {
      if (!voxels[x]) continue;
      const std::int64_t first = x;
      while (x + 1 < size[0] && voxels[x + 1]) ++x;
      runs.push_back({first, x, runs.size()});
    }
    row_begin.push_back(runs.size());
  }
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (const auto& [dy, dz] : {std::pair{-1, 0}, {-1, -1}, {0, -1}, {1, -1}}) {
        const std::int64_t reach =
            std::min<std::int64_t>(1, static_cast<std::int64_t>(connectivity) - (dy != 0) - (dz != 0));
        if (reach < 0 || y + dy < 0 || y + dy >= size[1] || z + dz < 0) continue;
        const auto row = static_cast<std::size_t>(y + size[1] * z);
        const auto other = static_cast<std::size_t>(y + dy + size[1] * (z + dz));
        join_rows(runs, row_begin[row], row_begin[row + 1], row_begin[other], row_begin[other + 1], reach);
      }

  Components out;
  out.labels.assign(mask.size(), 0);
  std::vector<std::int32_t> label_of(runs.size(), 0);
  for (std::size_t row = 0; row + 1 < row_begin.size(); ++row)
    for (std::size_t r = row_begin[row]; r < row_begin[row + 1]; ++r) {
      std::int32_t& label = label_of[root_of(runs, r)];
      if (label == 0) {
        out.voxel_counts.push_back(0);
        label = static_cast<std::int32_t>(out.voxel_counts.size());
      }
      const std::int64_t begin = static_cast<std::int64_t>(row) * size[0];
      std::fill(out.labels.begin() + begin + runs[r].first, out.labels.begin() + begin + runs[r].last + 1, label);
      out.voxel_counts[static_cast<std::size_t>(label - 1)] += runs[r].last - runs[r].first + 1;
    }
  return out;
}

Components by_falling_count(Components components) {
  const std::vector<std::int64_t> counts = components.voxel_counts;
  std::vector<std::size_t> order(counts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  std::vector<std::int32_t> number(counts.size() + 1, 0);
  for (std::size_t n = 0; n < order.size(); ++n) {
    components.voxel_counts[n] = counts[order[n]];
    number[order[n] + 1] = static_cast<std::int32_t>(n + 1);
  }
  for (std::int32_t& label : components.labels) label = number[static_cast<std::size_t>(label)];
  return components;
}

Mask closing(const Mask& mask, const Index3& size, Connectivity connectivity) {
  Mask dilated = mask;
  for_each_neighbor(
      size, connectivity, [&](std::size_t i) { return mask[i] != 0; },
      [&](std::size_t, std::int64_t n) {
        if (n >= 0) dilated[static_cast<std::size_t>(n)] = 1;
      });
  Mask closed = dilated;
  for_each_neighbor(
      size, connectivity, [&](std::size_t i) { return dilated[i] != 0; },
      [&](std::size_t i, std::int64_t n) {
        if (n < 0 || !dilated[static_cast<std::size_t>(n)]) closed[i] = 0;
      });
  return closed;
}

bool bounding_box(const Mask& mask, const Index3& size, std::int64_t margin, Index3& first, Index3& last) {
  first = size;
  last = {-1, -1, -1};
  std::size_t voxel = 0;
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[0]; ++x, ++voxel) {
        if (!mask[voxel]) continue;
        const Index3 at{x, y, z};
        for (std::size_t a = 0; a < 3; ++a) {
          first[a] = std::min(first[a], at[a]);
          last[a] = std::max(last[a], at[a]);
        }
      }
  if (last[0] < 0) return false;
  for (std::size_t a = 0; a < 3; ++a) {
    first[a] = std::max<std::int64_t>(0, first[a] - margin);
    last[a] = std::min(size[a] - 1, last[a] + margin);
  }
  return true;
}

}  // namespace oncotome::engine
