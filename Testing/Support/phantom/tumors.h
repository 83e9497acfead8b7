// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "anatomy.h"
#include "oncotome/core/volume.h"

namespace oncotome::testing {

/// A glioma-like growth: edema round an enhancing rim round a core that does not enhance.
class Tumor {
 public:
  Tumor(Random& random, const Vec3& center_mm, double radius_mm);

  /// 0, 1 core, 2 edema or 4 enhancing, as if no anatomy hindered it. `gray` is the share of gray matter, which edema
  /// spares.
  std::uint8_t label(const Vec3& p, double gray) const noexcept;
  /// Where the tissue at p was before the tumor pushed it away.
  Vec3 unpushed(const Vec3& p) const noexcept;
  const Vec3& center_mm() const noexcept { return center_; }
  /// No label lies beyond it.
  double reach_mm() const noexcept { return 1.7 * radius_; }

 private:
  double depth_mm(const Vec3& v, double radius, const Vec3& stretch, const Noise& noise) const noexcept;

  Vec3 center_, core_center_;
  double radius_, core_radius_, rim_;
  std::array<Vec3, 3> axes_;
  Vec3 stretch_, core_stretch_;
  Noise shape_, core_shape_, rim_shape_;
};

/// Tumors inside the cerebrum, far enough apart that each stays a part of its own.
std::vector<Tumor> place_tumors(Random& random, const Anatomy& anatomy, int count);

}  // namespace oncotome::testing
