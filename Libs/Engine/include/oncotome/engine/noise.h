// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "oncotome/core/draws.h"

namespace oncotome::engine {

/// Noise, N(0,1) or even, as a pure function of (seed, stream, index): the same wherever and in whatever order it is
/// asked for.
class Noise {
 public:
  Noise(std::uint64_t seed, std::uint64_t stream) : key_(split_mix(split_mix(seed) + stream)) {}

  /// In [0,1), the same bits on every machine.
  double even(std::uint64_t index) const { return static_cast<double>(split_mix(key_ + index) >> 11) * kUnit; }

  float operator()(std::uint64_t index) const {
    const std::uint64_t a = split_mix(key_ + 2 * index), b = split_mix(key_ + 2 * index + 1);
    const double radius = std::sqrt(-2.0 * std::log((static_cast<double>(a >> 11) + 1.0) * kUnit));
    return static_cast<float>(radius * std::cos(6.283185307179586 * static_cast<double>(b >> 11) * kUnit));
  }

 private:
  static constexpr double kUnit = 1.0 / 9007199254740992.0;  // 2^-53

  std::uint64_t key_;
};

}  // namespace oncotome::engine
