// SPDX-License-Identifier: Apache-2.0
#include "tumors.h"

#include <algorithm>
#include <cmath>

namespace oncotome::testing {

namespace {

Vec3 random_direction(Random& random) {
  for (;;) {
    const Vec3 v{random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-1, 1)};
    const double n = norm(v);
    if (n > 0.1 && n <= 1) return (1 / n) * v;
  }
}

std::array<Vec3, 3> random_axes(Random& random) {
  const Vec3 a = random_direction(random);
  Vec3 b = cross(a, random_direction(random));
  while (norm(b) < 0.1) b = cross(a, random_direction(random));
  b = (1 / norm(b)) * b;
  return {a, b, cross(a, b)};
}

Vec3 random_stretch(Random& random) {
  return {random.uniform(0.85, 1.2), random.uniform(0.85, 1.2), random.uniform(0.85, 1.2)};
}

}  // namespace

Tumor::Tumor(Random& random, const Vec3& center_mm, double radius_mm)
    : center_(center_mm),
      core_center_(center_mm + (0.15 * radius_mm) * random_direction(random)),
      radius_(radius_mm),
      core_radius_(radius_mm * random.uniform(0.52, 0.68)),
      rim_(std::min(random.uniform(3.2, 5.0), 0.42 * core_radius_)),
      axes_(random_axes(random)),
      stretch_(random_stretch(random)),
      core_stretch_(random_stretch(random)),
      shape_(random.next()),
      core_shape_(random.next()),
      rim_shape_(random.next()) {}

double Tumor::depth_mm(const Vec3& v, double radius, const Vec3& stretch, const Noise& noise) const noexcept {
  const Vec3 e{dot(v, axes_[0]) / stretch[0], dot(v, axes_[1]) / stretch[1], dot(v, axes_[2]) / stretch[2]};
  return radius * (1 - 0.30 * noise(v, radius) - 0.14 * noise(v, 0.45 * radius)) - norm(e);
}

std::uint8_t Tumor::label(const Vec3& p, double gray) const noexcept {
  if (norm(p - center_) > reach_mm()) return 0;
  const Vec3 v = p - core_center_;
  const double core = depth_mm(v, core_radius_, core_stretch_, core_shape_);
  if (core > 0) return core > rim_ * (1 + 0.45 * rim_shape_(v, 9)) ? 1 : 4;
  const double edema = depth_mm(p - center_, radius_, stretch_, shape_);
  return edema > 3 * gray ? 2 : 0;
}

Vec3 Tumor::unpushed(const Vec3& p) const noexcept {
  const Vec3 v = p - core_center_;
  const double t = norm(v) / (2.2 * core_radius_);
  if (t >= 1) return p;
  return core_center_ + (1 - 0.45 * (1 - t) * (1 - t)) * v;
}

std::vector<Tumor> place_tumors(Random& random, const Anatomy& anatomy, int count) {
  std::vector<Tumor> tumors;
  double largest = count == 1 ? 31 : count == 2 ? 27 : 24;
  for (int tries = 1; static_cast<int>(tumors.size()) < count; ++tries) {
    if (tries % 200 == 0) largest = std::max(14.0, 0.93 * largest);
    const double radius = random.uniform(13, largest);
    const Vec3 center{random.uniform(-55, 55), random.uniform(-70, 65), random.uniform(-18, 55)};
    Tumor tumor(random, center, radius);
    const bool apart = std::all_of(tumors.begin(), tumors.end(), [&](const Tumor& other) {
      return norm(other.center_mm() - center) > 0.8 * (other.reach_mm() + tumor.reach_mm()) + 4;
    });
    if (apart && std::abs(center[0]) > 9 && anatomy.cerebrum_depth_mm(center) > std::max(11.0, 0.62 * radius)) {
      tumors.push_back(tumor);
    }
  }
  return tumors;
}

}  // namespace oncotome::testing
