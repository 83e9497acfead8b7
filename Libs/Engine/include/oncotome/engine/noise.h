// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

namespace oncotome::engine {

/// Noise, N(0,1) or even, as a pure function of (seed, stream, index): the same wherever and in whatever order it is
/// asked for.
class Noise {
 public:
  Noise(std::uint64_t seed, std::uint64_t stream) : key_(mix(mix(seed) + stream)) {}

  /// In [0,1), the same bits on every machine.
  double even(std::uint64_t index) const { return static_cast<double>(mix(key_ + index) >> 11) * kUnit; }

  float operator()(std::uint64_t index) const {
    const std::uint64_t a = mix(key_ + 2 * index), b = mix(key_ + 2 * index + 1);
    const double radius = std::sqrt(-2.0 * std::log((static_cast<double>(a >> 11) + 1.0) * kUnit));
    return static_cast<float>(radius * std::cos(6.283185307179586 * static_cast<double>(b >> 11) * kUnit));
  }

 private:
  static constexpr double kUnit = 1.0 / 9007199254740992.0;  // 2^-53

  // SplitMix64, doi 10.1145/2714064.2660195.
  static std::uint64_t mix(std::uint64_t z) {
    z += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  std::uint64_t key_;
};

}  // namespace oncotome::engine
