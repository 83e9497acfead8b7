// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "noise.h"

namespace oncotome::testing {

/// Shares of each tissue at a point; they sum to 1.
struct Tissue {
  double white = 0, gray = 0, nucleus = 0, fluid = 0;
};

/// A brain without skull, made of implicit surfaces in millimetres: LPS, its center at 0.
class Anatomy {
 public:
  explicit Anatomy(Random& random);

  /// Distance to the outer surface, mm, positive inside.
  double depth_mm(const Vec3& p) const noexcept;
  Tissue tissue(const Vec3& p) const noexcept;
  /// Distance to the outer surface of the cerebrum alone, mm, positive inside.
  double cerebrum_depth_mm(const Vec3& p) const noexcept;

 private:
  double cerebellum_depth_mm(const Vec3& p) const noexcept;
  double stem_depth_mm(const Vec3& p) const noexcept;
  double fluid_sheet_mm(const Vec3& p, double depth) const noexcept;
  double ventricle_depth_mm(const Vec3& p) const noexcept;
  double nucleus_depth_mm(const Vec3& p) const noexcept;

  Vec3 scale_;
  double ventricle_scale_, fold_depth_mm_, cortex_mm_;
  Noise hull_, fold_, fine_, warp_;
};

/// From 0 to 1 while `distance_mm` goes from -width/2 to width/2.
double soft_step(double distance_mm, double width_mm) noexcept;
/// Approximate signed distance to an ellipsoid round 0, mm, positive inside.
double ellipsoid_depth_mm(const Vec3& p, const Vec3& semi_axes_mm) noexcept;

}  // namespace oncotome::testing
