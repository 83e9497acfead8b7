// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"

namespace oncotome::workflow {

/// How a channel was moved onto another.
struct RigidMove {
  Geometry geometry;  ///< Of the channel, on the reference's coordinates.
  double displacement_mm = 0, rotation_deg = 0;
  double information_before = 0, information_after = 0;
};

/// Registers `moving` to `reference` (itk::RigidChannelRegistrationFilter); where they share coordinates and lie well
/// within `tolerance_mm`, coarsely. Reports 0 to 1. Throws Error{cancelled}.
RigidMove register_channel(const Volume<float>& reference, const Volume<float>& moving, bool coordinates_differ,
                           double tolerance_mm, const Job& job);

/// Divides a volume by its bias field (N4, doi 10.1109/TMI.2010.2046908), estimated on every fourth voxel above Otsu's
/// threshold. Returns the field's coefficient of variation there. Throws Error{precondition_unmet, cancelled}.
double correct_bias_field(Volume<float>& volume, const Job& job);

}  // namespace oncotome::workflow
