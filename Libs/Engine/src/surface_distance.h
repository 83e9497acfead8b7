// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/engine/components.h"

namespace oncotome::engine {

/// A piece of a surface: how far it is from the other surface, and its area.
struct SurfaceElement {
  double distance_mm, area_mm2;
};

struct SurfaceDistances {
  std::vector<SurfaceElement> from_a, from_b;  ///< By rising distance.
};

/// Distances between the surfaces of two masks that are not empty. Takes about 5 bytes per voxel besides.
SurfaceDistances surface_distances(const Mask& a, const Mask& b, const Index3& size, const Vec3& spacing_mm,
                                   const Job& job);

}  // namespace oncotome::engine
