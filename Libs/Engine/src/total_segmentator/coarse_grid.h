// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "oncotome/engine/resample.h"

namespace oncotome::engine::total_segmentator {

/// A grid read with its index axes turned to those closest to R, A, S, as nibabel.as_closest_canonical chooses them.
struct Canonical {
  Geometry grid;           ///< Turned.
  std::int64_t first = 0;  ///< Offset of its first voxel in the volume as it lies,
  Index3 stride{};         ///< and of one step along each of its axes.

  explicit Canonical(const Geometry& source);
  std::size_t offset(std::int64_t x, std::int64_t y, std::int64_t z) const {
    return static_cast<std::size_t>(first + x * stride[0] + y * stride[1] + z * stride[2]);
  }
};

/// The turned volume on a grid of `spacing_mm`, or its own: linear between the voxels as scipy.ndimage.zoom samples
/// them (first and last ones stay where they are), cut to whole numbers toward zero unless nothing is resampled.
Volume<float> to_coarse(const ChannelView& source, const Canonical& canonical, const std::optional<Vec3>& spacing_mm);

/// Labels of the coarse grid on the grid that `canonical` was made of: the nearest, by the same samples.
LabelVolume from_coarse(const LabelVolume& coarse, const Canonical& canonical, const Geometry& source);

}  // namespace oncotome::engine::total_segmentator
