// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "oncotome/core/geometry.h"
#include "oncotome/core/job.h"
#include "oncotome/engine/components.h"

namespace oncotome::engine {

struct OverlapOptions {
  double tolerance_mm = 1;  ///< Of surface Dice.
  /// Share of a lesion's voxels, 0 to 1, that the other side must cover; one voxel in any case.
  double lesion_overlap = 0;
};

/// How well a mask agrees with a true one. What is undefined because a mask is empty is absent.
struct Overlap {
  std::int64_t result_voxels = 0, truth_voxels = 0, common_voxels = 0;
  std::optional<double> dice;          ///< 2 |A n B| / (|A| + |B|); absent when both are empty, 0 when one is.
  std::optional<double> surface_dice;  ///< doi 10.2196/26151: area within the tolerance; absent and 0 as Dice.
  /// Greater of the two area-weighted 95th percentiles of the distance from one surface to the other.
  std::optional<double> hd95_mm;
  /// Mean of the two area-weighted mean distances from one surface to the other.
  std::optional<double> mean_surface_distance_mm;
  /// Lesions are 26-connected components; one of the truth is found, and one of the result is true, when the other mask
  /// covers enough of it.
  std::int64_t result_lesions = 0, truth_lesions = 0, found_lesions = 0, true_lesions = 0;
};

/// Compares two masks on one grid. Surfaces and distances are those of DeepMind's surface-distance: marching-cubes
/// elements at the corners between voxels, the outside of the grid being empty. Throws Error{grid_mismatch} when a mask
/// is not of the grid's size, Error{cancelled}.
Overlap compare_masks(const Mask& result, const Mask& truth, const Geometry& grid, const OverlapOptions& options,
                      const Job& job);

}  // namespace oncotome::engine
