// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// Areas of the marching-cubes surface in a cube of 2x2x2 voxels, from the normals of github.com/google-deepmind/
/// surface-distance (Apache-2.0, Copyright 2018 Google Inc.).
namespace oncotome::engine {

/// Normals of the up to four triangles of each class of cube, in eighths of the cube's faces along z, y, x; their signs
/// do not matter to the area.
constexpr std::uint8_t kNormals[][4][3] = {
    {},
    {{1, 1, 1}},
    {{2, 2, 0}, {2, 2, 0}},
    {{2, 0, 2}, {2, 0, 2}},
    {{1, 1, 1}, {1, 1, 1}},
    {{1, 1, 1}, {2, 2, 2}, {4, 0, 0}},
    {{4, 0, 0}, {4, 0, 0}},
    {{0, 2, 2}, {0, 2, 2}},
    {{0, 4, 0}, {1, 1, 1}, {2, 2, 2}},
    {{0, 0, 4}, {1, 1, 1}, {2, 2, 2}},
    {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
    {{1, 1, 1}, {1, 1, 1}, {2, 2, 2}, {2, 2, 2}},
    {{0, 2, 2}, {0, 2, 2}, {1, 1, 1}},
    {{1, 1, 1}, {2, 0, 2}, {2, 0, 2}},
    {{0, 2, 2}, {1, 1, 1}, {2, 0, 2}, {3, 3, 3}},
    {{1, 1, 1}, {2, 2, 0}, {2, 2, 0}},
    {{0, 2, 2}, {1, 1, 1}, {2, 2, 0}, {3, 3, 3}},
    {{1, 1, 1}, {1, 1, 1}, {2, 2, 2}, {4, 0, 0}},
    {{0, 4, 0}, {0, 4, 0}},
    {{1, 1, 1}, {2, 0, 2}, {2, 2, 0}, {3, 3, 3}},
    {{0, 4, 0}, {1, 1, 1}, {1, 1, 1}, {2, 2, 2}},
    {{2, 2, 0}, {2, 2, 0}, {2, 2, 0}, {2, 2, 0}},
    {{0, 0, 4}, {0, 0, 4}},
    {{0, 0, 4}, {1, 1, 1}, {1, 1, 1}, {2, 2, 2}},
    {{2, 0, 2}, {2, 0, 2}, {2, 0, 2}, {2, 0, 2}},
    {{0, 2, 2}, {0, 2, 2}, {0, 2, 2}, {0, 2, 2}},
    {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
};

/// Class of the cube with these voxels set: bit 4z + 2y + x, each 1 for the voxel before the corner and 0 for the one
/// after it; a code above 127 has the class of its complement.
constexpr std::uint8_t kClassOf[128] = {
    0,  1,  1,  2,  1,  3,  4,  5,  1,  4,  3,  5,  2,  5,  5,  6,  1,  7,  4,  8,  4,  9,  10, 11, 4,  12,
    13, 14, 15, 16, 17, 5,  1,  4,  7,  8,  4,  13, 12, 14, 4,  10, 9,  11, 15, 17, 16, 5,  2,  8,  8,  18,
    15, 19, 20, 8,  15, 20, 19, 8,  21, 15, 15, 2,  1,  4,  4,  15, 7,  9,  12, 16, 4,  10, 13, 17, 8,  11,
    14, 5,  3,  9,  13, 19, 9,  22, 23, 9,  13, 23, 24, 13, 19, 9,  13, 3,  4,  10, 12, 20, 12, 23, 25, 12,
    10, 26, 23, 10, 20, 10, 12, 4,  5,  11, 14, 8,  16, 9,  12, 7,  17, 10, 13, 4,  15, 4,  4,  1};

}  // namespace oncotome::engine
