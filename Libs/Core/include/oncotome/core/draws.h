// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace oncotome {

/// SplitMix64's output for a state, doi 10.1145/2714064.2660195.
inline std::uint64_t split_mix(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

/// What random numbers are for; each purpose has a stream of its own.
enum class Purpose : std::uint64_t { split, order, augmentation, mixup, dropout, bootstrap, mixture };

/// Random numbers that are a pure function of a seed, a purpose and numbers such as epoch and sample, so that neither
/// threads nor a resumed run change them (SplitMix64).
class Draws {
 public:
  Draws(std::uint64_t seed, Purpose purpose, std::initializer_list<std::uint64_t> place)
      : state_(split_mix(split_mix(seed) + static_cast<std::uint64_t>(purpose))) {
    for (const std::uint64_t number : place) state_ = split_mix(state_ + number);
  }

  std::uint64_t next() { return split_mix(++state_); }
  /// In [0,1).
  double uniform() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }
  double uniform(double low, double high) { return low + uniform() * (high - low); }
  bool chance(double probability) { return uniform() < probability; }
  /// In [0,count).
  std::size_t index(std::size_t count) { return static_cast<std::size_t>(uniform() * static_cast<double>(count)); }

  /// The sum of four uniform numbers, of mean 0 and variance 1: near enough to a normal one, and quick.
  float noise() {
    const std::uint64_t bits = next();
    double sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<double>((bits >> (16 * i)) & 0xffffU);
    return static_cast<float>((sum / 65536.0 - 2.0) * std::sqrt(3.0));
  }

  /// Beta(a, a), 0 < a <= 1 (Johnk's method).
  double beta(double a) {
    for (;;) {
      const double x = std::pow(uniform(), 1 / a), y = std::pow(uniform(), 1 / a);
      if (x + y > 0 && x + y <= 1) return x / (x + y);
    }
  }

  /// 0 to count - 1 in random order.
  std::vector<std::size_t> order(std::size_t count) {
    std::vector<std::size_t> all(count);
    for (std::size_t i = 0; i < count; ++i) all[i] = i;
    for (std::size_t i = count; i > 1; --i) std::swap(all[i - 1], all[index(i)]);
    return all;
  }

 private:
  std::uint64_t state_;
};

}  // namespace oncotome
