// SPDX-License-Identifier: Apache-2.0
#include "anatomy.h"

#include <algorithm>
#include <cmath>

namespace oncotome::testing {

namespace {

struct Bead {
  Vec3 center;
  double radius_mm;
};

// Left and right are mirrored, so x is a distance from the midline.
const Bead kLateralVentricle[] = {{{11, -36, 4}, 3.5}, {{10, -24, 10}, 5.0}, {{9, -4, 16}, 4.8}, {{13, 16, 17}, 5.0},
                                  {{21, 34, 9}, 6.5},  {{30, 20, -9}, 3.4},  {{33, 0, -20}, 2.4}};
const Bead kOccipitalHorn[] = {{{21, 34, 9}, 6.0}, {{17, 54, 4}, 2.5}};
const Bead kBrainStem[] = {{{0, 6, -14}, 11}, {{0, 12, -34}, 13}, {{0, 20, -66}, 8}};

template <std::size_t N>
double chain_depth_mm(const Vec3& p, const Bead (&beads)[N], double scale) noexcept {
  double depth = -1e9;
  for (std::size_t i = 0; i + 1 < N; ++i) {
    const Vec3 along = beads[i + 1].center - beads[i].center;
    const Vec3 v = p - beads[i].center;
    const double t = std::clamp(dot(v, along) / dot(along, along), 0.0, 1.0);
    const double radius = beads[i].radius_mm + t * (beads[i + 1].radius_mm - beads[i].radius_mm);
    depth = std::max(depth, scale * radius - norm(v - t * along));
  }
  return depth;
}

double above(double x) noexcept { return std::max(0.0, x); }

}  // namespace

double soft_step(double distance_mm, double width_mm) noexcept {
  return std::clamp(distance_mm / width_mm + 0.5, 0.0, 1.0);
}

double ellipsoid_depth_mm(const Vec3& p, const Vec3& s) noexcept {
  const Vec3 a{p[0] / s[0], p[1] / s[1], p[2] / s[2]};
  const Vec3 b{a[0] / s[0], a[1] / s[1], a[2] / s[2]};
  const double r = norm(a), slope = norm(b);
  return slope > 1e-9 ? r * (1 - r) / slope : std::min({s[0], s[1], s[2]});
}

Anatomy::Anatomy(Random& random)
    : scale_{random.uniform(0.94, 1.05), random.uniform(0.95, 1.05), random.uniform(0.95, 1.05)},
      ventricle_scale_(random.uniform(0.8, 1.35)),
      fold_depth_mm_(random.uniform(17, 21)),
      cortex_mm_(random.uniform(2.7, 3.2)),
      hull_(random.next()),
      fold_(random.next()),
      fine_(random.next()),
      warp_(random.next()) {}

double Anatomy::cerebrum_depth_mm(const Vec3& p) const noexcept {
  const Vec3 v{p[0], p[1] + 4, p[2] - 6};
  const double narrowing = 1 - 0.0012 * above(-v[1] - 20);
  double depth = ellipsoid_depth_mm(v, {67 * scale_[0] * narrowing, 84 * scale_[1], (v[2] > 0 ? 63 : 48) * scale_[2]});
  depth -= 5 * above(1 - std::abs(p[0]) / 7) * soft_step(p[2] - 20, 40);
  const double temporal =
      std::clamp(std::abs(p[0]) - 11, 0.0, 16.0) * soft_step(p[1] + 42, 18) * soft_step(30 - p[1], 24);
  return std::min(depth + 2.2 * hull_(p, 28), 0.8 * (p[2] + 16 + 1.5 * temporal - 0.3 * above(-36 - p[1])));
}

double Anatomy::cerebellum_depth_mm(const Vec3& p) const noexcept {
  const double depth = ellipsoid_depth_mm({std::abs(p[0]) - 20, p[1] - 43, p[2] + 36}, {31 * scale_[0], 30, 24});
  return std::min(depth + 1.2 * hull_(p, 18), -17.5 - p[2]);
}

double Anatomy::stem_depth_mm(const Vec3& p) const noexcept { return chain_depth_mm(p, kBrainStem, 1); }

double Anatomy::depth_mm(const Vec3& p) const noexcept {
  return std::max({cerebrum_depth_mm(p), cerebellum_depth_mm(p) + 1.6, stem_depth_mm(p) + 1.0});
}

double Anatomy::fluid_sheet_mm(const Vec3& p, double depth) const noexcept {
  // Sulci are where a noise is 0; seen from the surface, so that they run inward.
  const Vec3 from_center{p[0], p[1] + 4, p[2] - 4};
  const double radius = norm(from_center);
  Vec3 q = (1 + 0.5 * depth / std::max(radius, 20.0)) * from_center;
  const Vec3 bend{warp_(p, 26), warp_(p + Vec3{71, 13, 37}, 26), warp_(p + Vec3{-29, 53, 91}, 26)};
  q = q + 9.0 * bend;
  const double level = fold_(q, 18) + 0.4 * fine_(q, 9);
  double sheet = std::min(depth, 12 * std::abs(level) + 0.7 * above(depth - fold_depth_mm_ * (1 + 0.8 * hull_(p, 20))));

  const double bow = 1.6 * hull_({0, p[1], p[2]}, 35);
  const double inner = ellipsoid_depth_mm({0, p[1] - 2, p[2] - 4}, {1e3, 50, 27});
  sheet = std::min(sheet, std::abs(p[0] - bow) - 0.3 + 1.2 * above(inner));

  const double side = std::abs(p[0]), bank = -5 + 0.22 * p[1] + 4 * fold_({p[0], p[1], 0}, 22);
  const double sylvian = std::abs(p[2] - bank) - 0.7 + above(35 - side) + above(std::abs(p[1] + 2) - 34);
  return std::min(sheet, sylvian);
}

double Anatomy::ventricle_depth_mm(const Vec3& p) const noexcept {
  const Vec3 side{std::abs(p[0]) + 0.8 * hull_(p, 20), p[1], p[2]};
  const double lateral = std::max(chain_depth_mm(side, kLateralVentricle, ventricle_scale_),
                                  chain_depth_mm(side, kOccipitalHorn, ventricle_scale_));
  const double third = ellipsoid_depth_mm({p[0], p[1] - 2, p[2] + 2}, {2.6 * ventricle_scale_, 15, 10});
  const double fourth = ellipsoid_depth_mm({p[0], p[1] - 28, p[2] + 34}, {5 * ventricle_scale_, 4.5, 9});
  return std::max({lateral, third, fourth});
}

double Anatomy::nucleus_depth_mm(const Vec3& p) const noexcept {
  const double side = std::abs(p[0]), wave = 0.8 * fine_(p, 9);
  const double thalamus = ellipsoid_depth_mm({side - 11, p[1] - 8, p[2] - 1}, {8.5, 13.5, 8});
  const double caudate = ellipsoid_depth_mm({side - 16 - 0.12 * p[1], p[1] + 16, p[2] - 7}, {4.8, 15, 8});
  const double lentiform = ellipsoid_depth_mm({side - 26, p[1] + 2 - 0.25 * side, p[2] + 1}, {6.5, 17, 9});
  return std::max({thalamus, caudate, lentiform}) + wave;
}

Tissue Anatomy::tissue(const Vec3& p) const noexcept {
  const double cerebrum = cerebrum_depth_mm(p), cerebellum = cerebellum_depth_mm(p), stem = stem_depth_mm(p);
  double sheet;
  double cortex = cortex_mm_;
  if (cerebrum >= cerebellum && cerebrum >= stem) {
    sheet = fluid_sheet_mm(p, cerebrum);
  } else if (cerebellum >= stem) {
    const double level = fold_({p[0] / 34, p[1] / 22 + p[2] / 40, p[2] / 5.5});
    sheet = std::min(cerebellum, 3.4 * std::abs(level) + 0.8 * above(cerebellum - 9));
    cortex = 1.9;
  } else {
    sheet = stem;
    cortex = 0;
  }
  Tissue t;
  const double gray = 1 - soft_step(sheet - 0.9 - cortex, 1.6);
  const double fluid = std::max(1 - soft_step(sheet - 0.9, 1.6), soft_step(ventricle_depth_mm(p), 1.6));
  const double nucleus = (1 - gray) * soft_step(nucleus_depth_mm(p), 2.0);
  t.fluid = fluid;
  t.gray = (1 - fluid) * gray;
  t.nucleus = (1 - fluid) * nucleus;
  t.white = 1 - t.fluid - t.gray - t.nucleus;
  return t;
}

}  // namespace oncotome::testing
