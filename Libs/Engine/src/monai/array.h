// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/job.h"
#include "oncotome/engine/monai.h"
#include "oncotome/engine/tensor.h"

namespace oncotome::engine::monai {

/// Channels [C,x,y,z] and how they lie in the patient: LPS unit vectors along x, y, z and the voxel's extent.
struct Array {
  Tensor data;
  std::array<Vec3, 3> axis;
  Vec3 spacing_mm;

  Dhw size() const { return {data.shape[1], data.shape[2], data.shape[3]}; }
};

/// Axis a of the result is axis from[a] of the source, turned round where `flip` says.
struct Reordered {
  std::array<std::size_t, 3> from;
  std::array<bool, 3> flip;
};
/// Voxel i of the result is voxel i + offset of the source.
struct Shifted {
  Dhw offset, source_size;
};
struct Resampled {
  Dhw source_size;
  Vec3 step, start;  ///< Of the result, in voxels of the source.
  bool nearest, zeros_outside, align_corners;
};
/// What was done to an array's grid, in that order.
using History = std::vector<std::variant<Reordered, Shifted, Resampled>>;

Tensor reorder(const Tensor& source, const Reordered& how);
/// What does not lie in the source follows from its edge, or is `value`.
Tensor shift(const Tensor& source, const Dhw& offset, const Dhw& size, Edge edge, float value);
/// As torch's affine_grid and grid_sample do along the axes, in double.
Tensor resample(const Tensor& source, const Dhw& size, const Resampled& how);

/// Carries out the transforms and tells what changed the grid. Throws Error{precondition_unmet, cancelled}.
History prepare(Array& array, const std::vector<Transform>& transforms, const Job& job);

/// Takes channels back to the grid before `history`; zeros where that reaches further.
Tensor invert(Tensor channels, const History& history, bool nearest);

}  // namespace oncotome::engine::monai
