// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "oncotome/core/geometry.h"

namespace oncotome::testing {

/// Seeded random numbers (SplitMix64) that are the same on every platform, unlike the distributions of <random>.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15u + 0x1234567u) {}
  std::uint64_t next() noexcept;
  /// In [low, high).
  double uniform(double low = 0, double high = 1) noexcept;
  /// In [low, high], both included.
  int integer(int low, int high) noexcept;
  /// Near-normal, mean 0, deviation 1: a sum of uniform numbers, so no libm function decides the bytes.
  double normal() noexcept;

 private:
  std::uint64_t state_;
};

/// Smooth gradient noise of about -1 to 1 on a lattice with cells of size 1.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) noexcept : seed_(seed) {}
  double operator()(const Vec3& p) const noexcept;
  double operator()(const Vec3& p, double cell) const noexcept {
    return (*this)(Vec3{p[0] / cell, p[1] / cell, p[2] / cell});
  }

 private:
  double corner(std::int64_t i, std::int64_t j, std::int64_t k, double x, double y, double z) const noexcept;
  std::uint64_t seed_;
};

}  // namespace oncotome::testing
