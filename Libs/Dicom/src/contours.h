// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace oncotome::dicom {

/// Points of a closed contour in pixel indexes: x along a row, y along a column.
using Contour = std::vector<std::array<double, 2>>;

/// Marching squares at 0.5: the contours round the pixels that are not 0, through the middles of their edges, so that
/// no contour touches itself or another. Pixels that meet at a corner alone are islands of their own. A hole is part of
/// the contour round it, by a channel of no width.
std::vector<Contour> contours_of(const std::vector<std::uint8_t>& pixels, std::int64_t columns, std::int64_t rows);

}  // namespace oncotome::dicom
