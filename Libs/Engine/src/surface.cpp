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

// First and last x of a row's vertices, in doubled indices as all of these, so that edge midpoints are whole numbers.
struct Span {
  std::int64_t first = INT64_MAX, last = INT64_MIN;
};

// The corners of the convex hull of one plane's vertices: no other can be an end of the greatest distance. By a
// monotone chain (doi 10.1016/0020-0190(79)90072-3).
std::vector<Index3> hull_corners(const std::vector<Span>& rows, std::int64_t first_y, std::int64_t z) {
  std::vector<Index3> points;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::int64_t y = first_y + static_cast<std::int64_t>(r);
    if (rows[r].first <= rows[r].last) points.push_back({rows[r].first, y, z});
    if (rows[r].first < rows[r].last) points.push_back({rows[r].last, y, z});
  }
  if (points.size() < 3) return points;
  const auto turn = [](const Index3& a, const Index3& b, const Index3& c) {
    return (b[1] - a[1]) * (c[0] - a[0]) - (b[0] - a[0]) * (c[1] - a[1]);
  };
  std::vector<Index3> hull;
  for (int chain = 0; chain < 2; ++chain) {
    const std::size_t start = hull.size();
    for (const Index3& p : points) {
      while (hull.size() >= start + 2 && turn(hull[hull.size() - 2], hull.back(), p) <= 0) hull.pop_back();
      hull.push_back(p);
    }
    hull.pop_back();
    std::reverse(points.begin(), points.end());
  }
  return hull;
}

// The two points farthest from each other, exactly: a search over pairs of boxes that leaves out those too near. Of
// equal pairs the first in z, y, x counts.
class FarthestPair {
 public:
  FarthestPair(std::vector<Index3> points, const Vec3& spacing_mm, const Job& job)
      : points_(std::move(points)), spacing_mm_(spacing_mm), job_(job) {
    if (points_.empty()) return;
    build(0, points_.size());
    search(0, 0);
  }
  double distance_mm() const { return std::sqrt(square_); }
  const std::array<Index3, 2>& ends() const { return ends_; }

 private:
  struct Box {
    std::size_t begin, end;
    std::array<std::size_t, 2> halves{};  // Zero for a leaf.
    Index3 first, last;
  };

  double square_of(const Index3& difference) const {
    double square = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      const double d = 0.5 * static_cast<double>(difference[a]) * spacing_mm_[a];
      square += d * d;
    }
    return square;
  }

  std::size_t build(std::size_t begin, std::size_t end) {
    Box box{begin, end, {}, points_[begin], points_[begin]};
    Index3 extent;
    for (std::size_t a = 0; a < 3; ++a) {
      for (std::size_t i = begin; i < end; ++i) {
        box.first[a] = std::min(box.first[a], points_[i][a]);
        box.last[a] = std::max(box.last[a], points_[i][a]);
      }
      extent[a] = box.last[a] - box.first[a];
    }
    const std::size_t at = boxes_.size();
    boxes_.push_back(box);
    if (end - begin <= 8) return at;
    const auto axis = static_cast<std::size_t>(std::max_element(extent.begin(), extent.end()) - extent.begin());
    const auto begins = points_.begin();
    const auto middle = static_cast<std::ptrdiff_t>((begin + end) / 2);
    std::nth_element(begins + static_cast<std::ptrdiff_t>(begin), begins + middle,
                     begins + static_cast<std::ptrdiff_t>(end),
                     [axis](const Index3& a, const Index3& b) { return a[axis] < b[axis]; });
    const std::size_t lower = build(begin, static_cast<std::size_t>(middle));
    const std::size_t upper = build(static_cast<std::size_t>(middle), end);
    boxes_[at].halves = {lower, upper};
    return at;
  }

  // Rounded as square_of rounds, which never falls as a difference grows, so this is a bound to the last bit.
  double bound(std::size_t p, std::size_t q) const {
    Index3 farthest;
    for (std::size_t a = 0; a < 3; ++a)
      farthest[a] = std::max(boxes_[p].last[a] - boxes_[q].first[a], boxes_[q].last[a] - boxes_[p].first[a]);
    return square_of(farthest);
  }

  void search(std::size_t p, std::size_t q) {
    if (bound(p, q) < square_) return;
    job_.check();
    const Box &a = boxes_[p], &b = boxes_[q];
    if (p == q && a.halves[0]) {
      search(a.halves[0], a.halves[1]);
      search(a.halves[0], a.halves[0]);
      search(a.halves[1], a.halves[1]);
    } else if (a.halves[0] || b.halves[0]) {
      if (!a.halves[0] || (b.halves[0] && b.end - b.begin > a.end - a.begin)) std::swap(p, q);
      auto halves = boxes_[p].halves;
      if (bound(halves[0], q) < bound(halves[1], q)) std::swap(halves[0], halves[1]);
      for (const std::size_t half : halves) search(half, q);
    } else {
      for (std::size_t i = a.begin; i < a.end; ++i)
        for (std::size_t j = p == q ? i + 1 : b.begin; j < b.end; ++j) consider(points_[i], points_[j]);
    }
  }

  void consider(const Index3& p, const Index3& q) {
    const double square = square_of({p[0] - q[0], p[1] - q[1], p[2] - q[2]});
    if (square < square_) return;
    const auto before = [](const Index3& a, const Index3& b) {
      return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
    };
    const std::array<Index3, 2> ends = before(p, q) ? std::array{p, q} : std::array{q, p};
    if (square == square_ && !before(ends[0], ends_[0]) && (ends[0] != ends_[0] || !before(ends[1], ends_[1]))) return;
    square_ = square;
    ends_ = ends;
  }

  std::vector<Index3> points_;
  Vec3 spacing_mm_;
  const Job& job_;
  std::vector<Box> boxes_;
  double square_ = 0;
  std::array<Index3, 2> ends_{};
};

// Corner patterns of the cells of one row, by their lower x: a walk that reads each voxel column once.
class RowPatterns {
 public:
  RowPatterns(const LesionVolume& ids, std::uint16_t id, std::int64_t y, std::int64_t z)
      : size_x_(ids.geometry.size[0]), id_(id) {
    const Index3& size = ids.geometry.size;
    for (std::size_t r = 0; r < 4; ++r) {
      const std::int64_t v = y + static_cast<std::int64_t>(r % 2), w = z + static_cast<std::int64_t>(r / 2);
      if (v >= 0 && w >= 0 && v < size[1] && w < size[2])
        rows_[r] = ids.voxels.data() + static_cast<std::size_t>(size_x_ * (v + size[1] * w));
    }
  }
  int next(std::int64_t x) {
    constexpr int kLow[4] = {0, 3, 4, 7}, kHigh[4] = {1, 2, 5, 6};
    int pattern = 0, column = 0;
    for (std::size_t r = 0; r < 4; ++r) {
      const bool inside = rows_[r] && x + 1 < size_x_ && rows_[r][x + 1] == id_;
      column |= inside << r;
      pattern |= (column_ >> r & 1) << kLow[r] | inside << kHigh[r];
    }
    column_ = column;
    return pattern;
  }

 private:
  std::int64_t size_x_;
  std::uint16_t id_;
  std::array<const std::uint16_t*, 4> rows_{};
  int column_ = 0;  // The last column read; none of the lesion lies before its bounding box.
};

}  // namespace

void measure_surface(const LesionVolume& ids, Lesion& lesion, const Job& job, double from, double to) {
  const Geometry& g = ids.geometry;
  const auto& cases = table();
  const Index3 &first = lesion.first_index, &last = lesion.last_index;
  const std::int64_t first_y = 2 * first[1] - 1, first_z = 2 * first[2] - 1;
  std::vector<std::vector<Span>> planes(static_cast<std::size_t>(2 * (last[2] - first[2]) + 3),
                                        std::vector<Span>(static_cast<std::size_t>(2 * (last[1] - first[1]) + 3)));
  double area = 0, volume = 0;
  for (std::int64_t z = first[2] - 1; z <= last[2]; ++z) {
    job.report("measure", from + 0.8 * (to - from) * static_cast<double>(z - first[2] + 1) /
                                     static_cast<double>(last[2] - first[2] + 2));
    for (std::int64_t y = first[1] - 1; y <= last[1]; ++y) {
      job.check();
      RowPatterns row(ids, lesion.id, y, z);
      for (std::int64_t x = first[0] - 1; x <= last[0]; ++x) {
        for (const auto& triangle : cases[static_cast<std::size_t>(row.next(x))]) {
          std::array<Vec3, 3> p;
          for (std::size_t v = 0; v < 3; ++v) {
            const int* edge = kEdge[triangle[v]];
            Index3 twice;
            for (std::size_t a = 0; a < 3; ++a) {
              const std::int64_t base = std::array<std::int64_t, 3>{x, y, z}[a];
              twice[a] = 2 * base + kCorner[edge[0]][a] + kCorner[edge[1]][a];
              p[v][a] = 0.5 * static_cast<double>(twice[a] - 2 * (first[a] - 1)) * g.spacing_mm[a];
            }
            Span& span =
                planes[static_cast<std::size_t>(twice[2] - first_z)][static_cast<std::size_t>(twice[1] - first_y)];
            span.first = std::min(span.first, twice[0]);
            span.last = std::max(span.last, twice[0]);
          }
          const Vec3 normal = cross(p[1] - p[0], p[2] - p[0]);
          area += 0.5 * norm(normal);
          volume += dot(p[0], cross(p[1], p[2])) / 6;
        }
      }
    }
  }
  lesion.surface_area_mm2 = area;
  lesion.mesh_volume_mm3 = volume;
  lesion.sphericity = area > 0 ? std::cbrt(36 * 3.14159265358979323846 * volume * volume) / area : 0;

  lesion.longest_axial_diameter_mm = lesion.maximum_2d_diameter_slice_mm = 0;
  std::vector<Index3> all;
  for (std::size_t k = 0; k < planes.size(); ++k) {
    const std::int64_t z = first_z + static_cast<std::int64_t>(k);
    const std::vector<Index3> corners = hull_corners(planes[k], first_y, z);
    all.insert(all.end(), corners.begin(), corners.end());
    const FarthestPair pair(corners, g.spacing_mm, job);
    lesion.maximum_2d_diameter_slice_mm = std::max(lesion.maximum_2d_diameter_slice_mm, pair.distance_mm());
    if (z % 2 != 0 || pair.distance_mm() <= lesion.longest_axial_diameter_mm) continue;
    lesion.longest_axial_diameter_mm = pair.distance_mm();
    lesion.key_slice = z / 2;
    for (std::size_t e = 0; e < 2; ++e)
      lesion.axial_diameter_ends_mm[e] =
          g.position_mm({0.5 * static_cast<double>(pair.ends()[e][0]), 0.5 * static_cast<double>(pair.ends()[e][1]),
                         0.5 * static_cast<double>(pair.ends()[e][2])});
  }
  job.report("measure", from + 0.9 * (to - from));
  lesion.longest_diameter_mm = FarthestPair(std::move(all), g.spacing_mm, job).distance_mm();
  job.report("measure", to);
}

}  // namespace oncotome::engine
