// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>

#include "oncotome/core/geometry.h"

namespace oncotome::render {

/// How an x-y slice lies on the screen; entry 0 is rightward, entry 1 downward.
/// Axial: patient right at the viewer's left, anterior up. Coronal: the same side, head up. Sagittal: anterior left,
/// head up.
struct DisplayFrame {
  const char* plane;                ///< "axial", "coronal" or "sagittal", whichever is nearest.
  std::array<std::size_t, 2> axis;  ///< Volume axis, 0 or 1.
  std::array<bool, 2> reversed;     ///< The index falls along the screen's direction.
  std::array<std::string, 4>
      letters;  ///< Patient direction at the left, right, top and bottom edge (PS3.3 C.7.6.1.1.1).
};

DisplayFrame display_frame(const Geometry& geometry);

/// L/R, P/A, H/F of an LPS direction, largest part first; a second letter when more than 20 degrees oblique.
std::string direction_letters(const Vec3& direction);

}  // namespace oncotome::render
