// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "oncotome/core/geometry.h"

namespace oncotome {

/// A scalar image on a regular grid; it owns its voxels, x fastest.
template <class T>
struct Volume {
  Geometry geometry;
  std::vector<T> voxels;

  Volume() = default;
  explicit Volume(const Geometry& g, T value = T{}) : geometry(g), voxels(g.voxel_count(), value) {}

  std::size_t offset(std::int64_t x, std::int64_t y, std::int64_t z) const noexcept {
    return static_cast<std::size_t>(x + geometry.size[0] * (y + geometry.size[1] * z));
  }
  T& at(std::int64_t x, std::int64_t y, std::int64_t z) noexcept { return voxels[offset(x, y, z)]; }
  const T& at(std::int64_t x, std::int64_t y, std::int64_t z) const noexcept { return voxels[offset(x, y, z)]; }
};

/// Model labels: 0 is background.
using LabelVolume = Volume<std::uint8_t>;
/// Lesion numbers: 0 is background, then Lesion::id.
using LesionVolume = Volume<std::uint16_t>;

}  // namespace oncotome
