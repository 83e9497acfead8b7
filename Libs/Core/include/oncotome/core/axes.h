// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

/// Shape letters, fixed once: N batch, C channels, D depth (z), H height (y), W width (x), K classes.
/// Tensors are [C,D,H,W], W fastest; ITK's and Geometry's x,y,z are W,H,D.
namespace oncotome::axes {
constexpr std::size_t C = 0, D = 1, H = 2, W = 3;
}  // namespace oncotome::axes
