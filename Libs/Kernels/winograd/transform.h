// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../lanes.h"
#include "box.h"

/// Convolutions 3x3x3 and 1x3x3 of stride 1 by F(2,3) along each axis: 64 (16) products of matrices in place of 27 (9)
/// per 8 (4) results. One box of Winograd tiles is loaded at a time, and of its transform 16 positions are, so that
/// what passes between transforms and products stays in the second cache.
namespace oncotome::kernels {
namespace {

constexpr int kPositions = 16;
/// Channels that are transformed at a time, for one register of each value leaves room for a tile's.
constexpr int kPart = kBlock / kLaneRegisters;

/// Columns of a tile row: combined along z for pass kPass (kPass < 0: one plane), then transformed along y.
template <int kPass>
inline void load_column(const float* at, std::size_t row, std::size_t plane, Register* out) {
  constexpr int first[] = {0, 1, 2, 1}, second[] = {2, 2, 1, 3};
  Register d[4];
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    if constexpr (kPass < 0) {
      d[y] = load_register(at + y * row);
    } else {
      const Register a = load_register(at + y * row + first[kPass] * plane);
      const Register b = load_register(at + y * row + second[kPass] * plane);
      d[y] = kPass == 1 ? a + b : a - b;
    }
  }
  out[0] = d[0] - d[2];
  out[1] = d[1] + d[2];
  out[2] = d[2] - d[1];
  out[3] = d[1] - d[3];
}

/// One row of tiles of a part of a block of channels, from the padded patch to [position][block][tile][16].
template <class Math, int kPass>
void transform_row(const float* at, std::size_t row, std::size_t plane, int tiles, typename Math::Value* to,
                   std::size_t stride) {
  Register c[4][4];
  load_column<kPass>(at, row, plane, c[0]);
  load_column<kPass>(at + kBlock, row, plane, c[1]);
  for (int t = 0; t < tiles; ++t, to += kBlock) {
    at += 2 * kBlock;
    load_column<kPass>(at, row, plane, c[2]);
    typename Math::Value* position = to;
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y, position += 4 * stride) {
      Math::put(position, c[0][y] - c[2][y]);
      Math::put(position + stride, c[1][y] + c[2][y]);
      Math::put(position + 2 * stride, c[2][y] - c[1][y]);
      c[0][y] = c[2][y];
    }
    load_column<kPass>(at + kBlock, row, plane, c[3]);
    position = to + 3 * stride;
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y, position += 4 * stride) {
      Math::put(position, c[1][y] - c[3][y]);
      c[1][y] = c[3][y];
    }
  }
}

template <class Math, int kPass>
void transform_in(const Box& box, const float* patch, typename Math::Value* to, std::size_t stride) {
  constexpr int step = kPass < 0 ? 1 : 2;
  const std::size_t row = box.patch[2] * kBlock, plane = row * box.patch[1];
  for (int block = 0; block < box.in_blocks; ++block, patch += plane * box.patch[0])
    for (int z = 0; z < box.tiles[0]; ++z)
      for (int y = 0; y < box.tiles[1]; ++y, to += box.tiles[2] * kBlock)
        for (int c = 0; c < kBlock; c += kPart)
          transform_row<Math, kPass>(patch + z * step * plane + 2 * y * row + c, row, plane, box.tiles[2], to + c,
                                     stride);
}

inline void fold(Register a, Register b, Register c, Register d, Register* first, Register* second) {
  *first = a + (b + c);
  *second = b - c - d;
}

/// Adds what pass kPass gives to the two planes of a tile: (1, 1, 1, 0) and (0, 1, -1, -1).
template <int kPass>
inline void accumulate(float* at, std::size_t plane, Register value) {
  if constexpr (kPass <= 0) store_lanes(at, value);
  if constexpr (kPass == 1 || kPass == 2) store_lanes(at, load_register(at) + value);
  if constexpr (kPass == 1) store_lanes(at + plane, value);
  if constexpr (kPass >= 2) store_lanes(at + plane, load_register(at + plane) - value);
}

/// A part of the channels of one tile.
template <int kPass>
inline void transform_tile(const float* products, std::size_t stride, float* sums, std::size_t row, std::size_t plane) {
  Register part[2][4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i, products += stride)
    fold(load_register(products), load_register(products + 4 * stride), load_register(products + 8 * stride),
         load_register(products + 12 * stride), &part[0][i], &part[1][i]);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i, sums += row) {
    Register left, right;
    fold(part[i][0], part[i][1], part[i][2], part[i][3], &left, &right);
    accumulate<kPass>(sums, plane, left);
    accumulate<kPass>(sums + kBlock, plane, right);
  }
}

/// Products [position][block][tile][16] to sums [block][z][y][x][16].
template <int kPass>
void transform_out(const Box& box, const float* products, std::size_t stride, float* sums) {
  constexpr int step = kPass < 0 ? 1 : 2;
  const std::size_t row = box.tiles[2] * 2 * kBlock, plane = row * box.tiles[1] * 2;
  for (int block = 0; block < box.out_blocks; ++block)
    for (int z = 0; z < box.tiles[0]; ++z, sums += step * plane)
      for (int y = 0; y < box.tiles[1]; ++y)
        for (int x = 0; x < box.tiles[2]; ++x, products += kBlock)
          for (int c = 0; c < kBlock; c += kPart)
            transform_tile<kPass>(products + c, stride, sums + 2 * y * row + 2 * x * kBlock + c, row, plane);
}

}  // namespace
}  // namespace oncotome::kernels
