// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/geometry.h"

#include <cmath>

namespace oncotome {

double dot(const Vec3& a, const Vec3& b) noexcept { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vec3 cross(const Vec3& a, const Vec3& b) noexcept {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

double norm(const Vec3& a) noexcept { return std::sqrt(dot(a, a)); }

Vec3 operator+(const Vec3& a, const Vec3& b) noexcept { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
Vec3 operator-(const Vec3& a, const Vec3& b) noexcept { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
Vec3 operator*(double s, const Vec3& a) noexcept { return {s * a[0], s * a[1], s * a[2]}; }

std::size_t Geometry::voxel_count() const noexcept { return static_cast<std::size_t>(size[0] * size[1] * size[2]); }

double Geometry::voxel_volume_mm3() const noexcept { return spacing_mm[0] * spacing_mm[1] * spacing_mm[2]; }

Vec3 Geometry::position_mm(const Vec3& index) const noexcept {
  Vec3 p = origin_mm;
  for (std::size_t a = 0; a < 3; ++a) p = p + (index[a] * spacing_mm[a]) * axis[a];
  return p;
}

Vec3 Geometry::index_of(const Vec3& position_mm) const noexcept {
  const Vec3 d = position_mm - origin_mm;
  return {dot(d, axis[0]) / spacing_mm[0], dot(d, axis[1]) / spacing_mm[1], dot(d, axis[2]) / spacing_mm[2]};
}

bool same_grid(const Geometry& a, const Geometry& b, double tolerance_mm) noexcept {
  if (a.size != b.size) return false;
  for (int corner = 0; corner < 8; ++corner) {
    Vec3 index{};
    for (std::size_t d = 0; d < 3; ++d) index[d] = (corner >> d & 1) ? static_cast<double>(a.size[d] - 1) : 0.0;
    if (norm(a.position_mm(index) - b.position_mm(index)) > tolerance_mm) return false;
  }
  return true;
}

}  // namespace oncotome
