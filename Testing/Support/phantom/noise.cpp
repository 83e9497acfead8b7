// SPDX-License-Identifier: Apache-2.0
#include "noise.h"

#include <cmath>

namespace oncotome::testing {

namespace {

std::uint64_t mixed(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double fade(double t) noexcept { return t * t * t * (t * (t * 6 - 15) + 10); }
double mix(double a, double b, double t) noexcept { return a + t * (b - a); }

}  // namespace

std::uint64_t Random::next() noexcept {
  state_ += 0x9E3779B97F4A7C15u;
  return mixed(state_);
}

double Random::uniform(double low, double high) noexcept {
  return low + (high - low) * (static_cast<double>(next() >> 11) / 9007199254740992.0);
}

int Random::integer(int low, int high) noexcept {
  return low + static_cast<int>(next() % static_cast<std::uint64_t>(high - low + 1));
}

double Random::normal() noexcept {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += uniform();
  return sum;
}

double Noise::corner(std::int64_t i, std::int64_t j, std::int64_t k, double x, double y, double z) const noexcept {
  const std::uint64_t h =
      mixed(seed_ + static_cast<std::uint64_t>(i) * 0x8DA6B343u + static_cast<std::uint64_t>(j) * 0xD8163841u +
            static_cast<std::uint64_t>(k) * 0xCB1AB31Fu);
  const double scale = 1.0 / 1048576.0;
  const double gx = static_cast<double>(h & 0x1FFFFF) * scale - 1;
  const double gy = static_cast<double>((h >> 21) & 0x1FFFFF) * scale - 1;
  const double gz = static_cast<double>((h >> 42) & 0x1FFFFF) * scale - 1;
  return gx * x + gy * y + gz * z;
}

double Noise::operator()(const Vec3& p) const noexcept {
  const double fx = std::floor(p[0]), fy = std::floor(p[1]), fz = std::floor(p[2]);
  const auto i = static_cast<std::int64_t>(fx), j = static_cast<std::int64_t>(fy), k = static_cast<std::int64_t>(fz);
  const double x = p[0] - fx, y = p[1] - fy, z = p[2] - fz;
  const double u = fade(x), v = fade(y), w = fade(z);
  double plane[2];
  for (int dz = 0; dz < 2; ++dz) {
    double row[2];
    for (int dy = 0; dy < 2; ++dy) {
      row[dy] =
          mix(corner(i, j + dy, k + dz, x, y - dy, z - dz), corner(i + 1, j + dy, k + dz, x - 1, y - dy, z - dz), u);
    }
    plane[dz] = mix(row[0], row[1], v);
  }
  return 1.5 * mix(plane[0], plane[1], w);
}

}  // namespace oncotome::testing
