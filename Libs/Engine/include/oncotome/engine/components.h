// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "oncotome/core/geometry.h"

namespace oncotome::engine {

/// Which neighbors touch: by a face, by an edge too, by a corner too.
enum class Connectivity { faces6 = 1, edges18 = 2, corners26 = 3 };

/// Binary images as bytes, 0 or not, x fastest.
using Mask = std::vector<std::uint8_t>;

struct Components {
  std::vector<std::int32_t> labels;        ///< 0 background, then 1.. in order of their first voxel.
  std::vector<std::int64_t> voxel_counts;  ///< Of component i + 1.
};

Components connected_components(const Mask& mask, const Index3& size, Connectivity connectivity);

/// The same, numbered by falling voxel count; equal ones stay in their order.
Components by_falling_count(Components components);

/// Dilation, then erosion with the outside taken as background (as scipy.ndimage.binary_closing does).
Mask closing(const Mask& mask, const Index3& size, Connectivity connectivity);

/// Inclusive bounds of the voxels set, widened by `margin` and clipped; false when there are none.
bool bounding_box(const Mask& mask, const Index3& size, std::int64_t margin, Index3& first, Index3& last);

}  // namespace oncotome::engine
