// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/components.h"

#include <algorithm>
#include <cstdlib>

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

Components connected_components(const Mask& mask, const Index3& size, Connectivity connectivity) {
  const auto around = neighbors(connectivity);
  Components out;
  out.labels.assign(mask.size(), 0);
  std::vector<Index3> front;
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[0]; ++x) {
        const auto offset = [&](const Index3& i) {
          return static_cast<std::size_t>(i[0] + size[0] * (i[1] + size[1] * i[2]));
        };
        const Index3 seed{x, y, z};
        if (!mask[offset(seed)] || out.labels[offset(seed)]) continue;
        out.voxel_counts.push_back(0);
        const auto label = static_cast<std::int32_t>(out.voxel_counts.size());
        out.labels[offset(seed)] = label;
        front.assign(1, seed);
        while (!front.empty()) {
          const Index3 at = front.back();
          front.pop_back();
          ++out.voxel_counts.back();
          for (const Index3& d : around) {
            const Index3 next{at[0] + d[0], at[1] + d[1], at[2] + d[2]};
            bool inside = true;
            for (std::size_t a = 0; a < 3; ++a) inside = inside && next[a] >= 0 && next[a] < size[a];
            if (!inside || !mask[offset(next)] || out.labels[offset(next)]) continue;
            out.labels[offset(next)] = label;
            front.push_back(next);
          }
        }
      }
  return out;
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
