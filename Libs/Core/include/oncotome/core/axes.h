// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// Shape letters, fixed once: N batch, C channels, D depth (z), H height (y), W width (x), K classes.
/// A network's tensors are [N,C,D,H,W], W fastest; ITK's and Geometry's x,y,z are W,H,D.
namespace oncotome::axes {
constexpr std::int64_t N = 0, C = 1, D = 2, H = 3, W = 4;
}  // namespace oncotome::axes
