// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "oncotome/core/lesion.h"
#include "oncotome/core/volume.h"

namespace oncotome::engine {

struct LesionSet {
  std::vector<Lesion> lesions;  ///< By falling volume; tracking_uid is left to the caller.
  LesionVolume ids;
};

/// The 26-connected components of the labels marked as lesion, of at least `min_volume_mm3`, measured.
LesionSet find_lesions(const LabelVolume& labels, const std::vector<Label>& table, double min_volume_mm3);

/// Area, volume and diameters of the surface round the voxels of `ids` that equal `id`, by marching cubes at 0.5
/// (doi 10.1145/37402.37422) with vertices at edge midpoints, as PyRadiomics defines them. Fills the mesh fields.
void measure_surface(const LesionVolume& ids, Lesion& lesion);

}  // namespace oncotome::engine
