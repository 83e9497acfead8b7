// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/core/lesion.h"
#include "oncotome/core/volume.h"

namespace oncotome::engine {

struct LesionSet {
  std::vector<Lesion> lesions;  ///< By falling volume; tracking_uid is left to the caller.
  LesionVolume ids;
};

/// The 26-connected components of the labels marked as lesion, of at least `min_volume_mm3`, measured. Throws
/// Error{precondition_unmet} when there are more than 65,535, Error{cancelled}.
LesionSet find_lesions(const LabelVolume& labels, const std::vector<Label>& table, double min_volume_mm3,
                       const Job& job);

/// Area, volume and diameters of the surface round the voxels of `ids` that equal `id`, by marching cubes at 0.5
/// (doi 10.1145/37402.37422) with vertices at edge midpoints, as PyRadiomics defines them. As there, the volume is the
/// sum of signed tetrahedra from a local origin, here the voxel before the bounding box's first: where ambiguous faces
/// leave the surface open, it depends on it. Fills the mesh fields; reports the fractions `from` to `to`.
void measure_surface(const LesionVolume& ids, Lesion& lesion, const Job& job, double from = 0, double to = 1);

}  // namespace oncotome::engine
