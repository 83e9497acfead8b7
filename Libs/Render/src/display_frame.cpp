// SPDX-License-Identifier: Apache-2.0
#include "display_frame.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace oncotome::render {

std::string direction_letters(const Vec3& direction) {
  static constexpr const char* kLetters[3] = {"LR", "PA", "HF"};
  constexpr double kSine20 = 0.342;
  std::array<std::size_t, 3> order{0, 1, 2};
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(direction[a]) > std::abs(direction[b]); });
  std::string letters;
  for (std::size_t i = 0; i < 2; ++i)
    if (const double part = direction[order[i]]; i == 0 || std::abs(part) > kSine20)
      letters += kLetters[order[i]][part < 0 ? 1 : 0];
  return letters;
}

DisplayFrame display_frame(const Geometry& geometry) {
  const Vec3 normal = cross(geometry.axis[0], geometry.axis[1]);
  const auto part = [&](std::size_t a) { return std::abs(normal[a]); };
  Vec3 right{1, 0, 0};
  Vec3 down{0, 0, -1};
  DisplayFrame frame{};
  frame.plane = "coronal";
  if (part(2) >= part(0) && part(2) >= part(1)) {
    frame.plane = "axial";
    down = {0, 1, 0};
  } else if (part(0) > part(1)) {
    frame.plane = "sagittal";
    right = {0, 1, 0};
  }
  // Whichever pairing of the axes follows the wanted directions best.
  const auto fit = [&](std::size_t a, std::size_t b) {
    return std::abs(dot(geometry.axis[a], right)) + std::abs(dot(geometry.axis[b], down));
  };
  frame.axis = fit(0, 1) >= fit(1, 0) ? std::array<std::size_t, 2>{0, 1} : std::array<std::size_t, 2>{1, 0};
  const Vec3 wanted[2] = {right, down};
  for (std::size_t d = 0; d < 2; ++d) {
    const Vec3& axis = geometry.axis[frame.axis[d]];
    frame.reversed[d] = dot(axis, wanted[d]) < 0;
    const Vec3 forward = (frame.reversed[d] ? -1.0 : 1.0) * axis;
    frame.letters[2 * d] = direction_letters(-1.0 * forward);
    frame.letters[2 * d + 1] = direction_letters(forward);
  }
  return frame;
}

}  // namespace oncotome::render
