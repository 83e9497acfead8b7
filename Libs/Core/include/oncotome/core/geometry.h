// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace oncotome {

using Vec3 = std::array<double, 3>;
using Index3 = std::array<std::int64_t, 3>;

double dot(const Vec3& a, const Vec3& b) noexcept;
Vec3 cross(const Vec3& a, const Vec3& b) noexcept;
double norm(const Vec3& a) noexcept;
Vec3 operator+(const Vec3& a, const Vec3& b) noexcept;
Vec3 operator-(const Vec3& a, const Vec3& b) noexcept;
Vec3 operator*(double s, const Vec3& a) noexcept;

/// A regular 3-D grid in patient space: DICOM/ITK LPS, millimetres, voxel centers.
/// All triples are in x,y,z order (W,H,D); voxel (i,j,k) of a volume lies at i + W * (j + H * k).
struct Geometry {
  Index3 size{0, 0, 0};
  Vec3 spacing_mm{1, 1, 1};
  Vec3 origin_mm{0, 0, 0};
  /// axis[a] is the unit vector in LPS along increasing index a (a column of ITK's direction matrix).
  std::array<Vec3, 3> axis{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

  std::size_t voxel_count() const noexcept;
  double voxel_volume_mm3() const noexcept;
  /// LPS position, mm, of a (fractional) voxel index.
  Vec3 position_mm(const Vec3& index) const noexcept;
  /// Fractional voxel index of an LPS position; the axes are taken as orthonormal.
  Vec3 index_of(const Vec3& position_mm) const noexcept;
};

/// True when sizes are equal and no voxel center differs by more than `tolerance_mm`.
bool same_grid(const Geometry& a, const Geometry& b, double tolerance_mm = 1e-2) noexcept;

}  // namespace oncotome
