// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>

#include "oncotome/engine/lesions.h"

namespace oncotome::engine {
namespace {

// Corners of a cell in walking order round the lower face, then the upper one.
constexpr int kCorner[8][3] = {{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 1}, {1, 1, 1}, {0, 1, 1}};
constexpr int kEdge[12][2] = {{0, 1}, {1, 2}, {2, 3}, {3, 0}, {4, 5}, {5, 6},
                              {6, 7}, {7, 4}, {0, 4}, {1, 5}, {2, 6}, {3, 7}};
// Faces with corners counterclockwise seen from outside the cell.
constexpr int kFace[6][4] = {{0, 3, 2, 1}, {4, 5, 6, 7}, {0, 1, 5, 4}, {1, 2, 6, 5}, {2, 3, 7, 6}, {3, 0, 4, 7}};

int edge_between(int a, int b) {
  for (int e = 0; e < 12; ++e)
    if ((kEdge[e][0] == a && kEdge[e][1] == b) || (kEdge[e][0] == b && kEdge[e][1] == a)) return e;
  return -1;
}

using Triangles = std::vector<std::array<int, 3>>;

Vec3 midpoint(int edge) {
  Vec3 p;
  for (std::size_t a = 0; a < 3; ++a) p[a] = 0.5 * (kCorner[kEdge[edge][0]][a] + kCorner[kEdge[edge][1]][a]);
  return p;
}

double area_of(const Triangles& triangles) {
  double area = 0;
  for (const auto& t : triangles)
    area += 0.5 * norm(cross(midpoint(t[1]) - midpoint(t[0]), midpoint(t[2]) - midpoint(t[0])));
  return area;
}

// Of all ways to cut a polygon into triangles, the one with the greatest area on a unit cell: PyRadiomics' cases are
// these.
Triangles widest(const std::vector<int>& polygon) {
  Triangles best;
  double best_area = -1;
  for (std::size_t k = 1; k + 1 < polygon.size(); ++k) {
    Triangles cut = widest({polygon.begin(), polygon.begin() + static_cast<std::ptrdiff_t>(k) + 1});
    const Triangles rest = widest({polygon.begin() + static_cast<std::ptrdiff_t>(k), polygon.end()});
    cut.insert(cut.end(), rest.begin(), rest.end());
    cut.push_back({polygon[0], polygon[k], polygon.back()});
    if (const double area = area_of(cut); area > best_area + 1e-9) {
      best_area = area;
      best = std::move(cut);
    }
  }
  return best;
}

// The contour of one corner pattern: on each face a segment leaves where the walk enters the pattern and ends where it
// left it; an ambiguous face cuts off the corners of the class that does not hold corner 7. Segments join to polygons.
Triangles triangulate(int pattern) {
  const bool inverted = (pattern >> 7 & 1) != 0;
  const int cut = inverted ? ~pattern & 255 : pattern;
  std::map<int, int> next;
  for (const auto& face : kFace)
    for (int i = 0; i < 4; ++i) {
      const int from = face[i], to = face[(i + 1) % 4];
      if ((cut >> from & 1) == 0 || (cut >> to & 1) != 0) continue;
      int j = i;
      while (cut >> face[j] & 1) j = (j + 3) % 4;
      next[edge_between(from, to)] = edge_between(face[j], face[(j + 1) % 4]);
    }
  Triangles out;
  while (!next.empty()) {
    std::vector<int> polygon;
    for (auto at = next.begin(); at != next.end(); at = next.find(polygon.back())) {
      polygon.push_back(at->second);
      next.erase(at);
    }
    for (auto [a, b, c] : widest(polygon)) {
      if (inverted)
        out.push_back({a, b, c});
      else
        out.push_back({c, b, a});
    }
  }
  return out;
}

const std::array<Triangles, 256>& table() {
  static const std::array<Triangles, 256> cases = [] {
    std::array<Triangles, 256> t;
    for (int pattern = 0; pattern < 256; ++pattern) t[static_cast<std::size_t>(pattern)] = triangulate(pattern);
    return t;
  }();
  return cases;
}

/// The greatest distance in a set of points. Only the ends of each x run can be an end of it.
class Extent {
 public:
  explicit Extent(const Vec3& spacing_mm) : spacing_mm_(spacing_mm) {}

  // Doubled indices, so that edge midpoints are whole numbers.
  void add(const Index3& p) {
    auto& run = runs_.try_emplace({p[2], p[1]}, p[0], p[0]).first->second;
    run.first = std::min(run.first, p[0]);
    run.second = std::max(run.second, p[0]);
  }

  double greatest(std::array<Index3, 2>& ends) const {
    std::vector<Index3> points;
    for (const auto& [zy, run] : runs_) {
      points.push_back({run.first, zy.second, zy.first});
      if (run.second != run.first) points.push_back({run.second, zy.second, zy.first});
    }
    double best = 0;
    for (std::size_t i = 0; i < points.size(); ++i)
      for (std::size_t j = i + 1; j < points.size(); ++j) {
        double square = 0;
        for (std::size_t a = 0; a < 3; ++a) {
          const double d = 0.5 * static_cast<double>(points[i][a] - points[j][a]) * spacing_mm_[a];
          square += d * d;
        }
        if (square > best) {
          best = square;
          ends = {points[i], points[j]};
        }
      }
    return std::sqrt(best);
  }

 private:
  Vec3 spacing_mm_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::pair<std::int64_t, std::int64_t>> runs_;
};

}  // namespace

void measure_surface(const LesionVolume& ids, Lesion& lesion) {
  const Geometry& g = ids.geometry;
  const auto inside = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
    return x >= 0 && y >= 0 && z >= 0 && x < g.size[0] && y < g.size[1] && z < g.size[2] &&
           ids.at(x, y, z) == lesion.id;
  };
  Extent whole(g.spacing_mm);
  std::map<std::int64_t, Extent> slices;
  double area = 0, volume = 0;
  for (std::int64_t z = lesion.first_index[2] - 1; z <= lesion.last_index[2]; ++z)
    for (std::int64_t y = lesion.first_index[1] - 1; y <= lesion.last_index[1]; ++y)
      for (std::int64_t x = lesion.first_index[0] - 1; x <= lesion.last_index[0]; ++x) {
        int pattern = 0;
        for (int c = 0; c < 8; ++c)
          if (inside(x + kCorner[c][0], y + kCorner[c][1], z + kCorner[c][2])) pattern |= 1 << c;
        for (const auto& triangle : table()[static_cast<std::size_t>(pattern)]) {
          std::array<Vec3, 3> p;
          for (std::size_t v = 0; v < 3; ++v) {
            const int* edge = kEdge[triangle[v]];
            Index3 twice;
            for (std::size_t a = 0; a < 3; ++a) {
              const std::int64_t base = std::array<std::int64_t, 3>{x, y, z}[a];
              twice[a] = 2 * base + kCorner[edge[0]][a] + kCorner[edge[1]][a];
              p[v][a] = 0.5 * static_cast<double>(twice[a] - 2 * (lesion.first_index[a] - 1)) * g.spacing_mm[a];
            }
            whole.add(twice);
            slices.try_emplace(twice[2], g.spacing_mm).first->second.add(twice);
          }
          const Vec3 normal = cross(p[1] - p[0], p[2] - p[0]);
          area += 0.5 * norm(normal);
          volume += dot(p[0], cross(p[1], p[2])) / 6;
        }
      }
  lesion.surface_area_mm2 = area;
  lesion.mesh_volume_mm3 = volume;
  lesion.sphericity = area > 0 ? std::cbrt(36 * 3.14159265358979323846 * volume * volume) / area : 0;
  std::array<Index3, 2> ends{};
  lesion.longest_diameter_mm = whole.greatest(ends);
  lesion.longest_axial_diameter_mm = lesion.maximum_2d_diameter_slice_mm = 0;
  for (const auto& [z, slice] : slices) {
    const double length = slice.greatest(ends);
    lesion.maximum_2d_diameter_slice_mm = std::max(lesion.maximum_2d_diameter_slice_mm, length);
    if (z % 2 != 0 || length <= lesion.longest_axial_diameter_mm) continue;
    lesion.longest_axial_diameter_mm = length;
    lesion.key_slice = z / 2;
    for (std::size_t e = 0; e < 2; ++e)
      lesion.axial_diameter_ends_mm[e] =
          g.position_mm({0.5 * static_cast<double>(ends[e][0]), 0.5 * static_cast<double>(ends[e][1]),
                         0.5 * static_cast<double>(ends[e][2])});
  }
}

}  // namespace oncotome::engine
