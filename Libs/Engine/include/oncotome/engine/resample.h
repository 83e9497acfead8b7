// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/volume.h"

namespace oncotome::engine {

/// A channel that somebody else owns.
struct ChannelView {
  Geometry geometry;
  const float* voxels = nullptr;
};

/// Of each index axis the patient's (0 L, 1 P, 2 S) that it stands for, as nibabel's io_orientation chooses: the one
/// that lies closest to one of the patient's chooses first.
std::array<std::size_t, 3> patient_axes(const std::array<Vec3, 3>& axis);

/// Throws Error{precondition_unmet} for more than 1e10 voxels, which a model's spacing may ask for.
void check_voxel_count(const Index3& size);

/// The grid with index axes closest to L, P, S, or those opposite where that is said, that covers the same voxels.
Geometry oriented(const Geometry& grid, const std::array<bool, 3>& against_lps = {false, false, false});

/// A cube of `size` voxels of `spacing_mm` round the grid's center, x to anterior, y to inferior, z to left.
Geometry conformed(const Geometry& grid, std::int64_t size, double spacing_mm);

/// The grid with another spacing that covers the same box: outer faces stay, sizes are rounded. Throws as
/// check_voxel_count().
Geometry respaced(const Geometry& grid, const Vec3& spacing_mm);

/// Values at the target's voxel centers, trilinear; 0 outside. Centers that meet a source voxel within 1e-4 of its size
/// take its value unchanged, so turning axes loses nothing.
Volume<float> resample_linear(const ChannelView& source, const Geometry& target);

/// As resample_linear, but Catmull and Rom's cubic, kept within the eight nearest voxels' range: sharper, and still
/// zero where these are zero.
Volume<float> resample_cubic(const ChannelView& source, const Geometry& target);

/// How many of the target's voxels that are set in `mask` (all, when it is empty) the source does not reach.
std::size_t count_outside(const Geometry& source, const Geometry& target, const std::vector<std::uint8_t>& mask);

/// Labels at the target's voxel centers, of the nearest voxel.
LabelVolume resample_nearest(const LabelVolume& source, const Geometry& target);

}  // namespace oncotome::engine
