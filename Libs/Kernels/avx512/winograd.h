// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include "winograd_box.h"

/// Convolutions 3x3x3 and 1x3x3 of stride 1 by F(2,3) along each axis: 64 (16) products of matrices in place of 27 (9)
/// per 8 (4) results. One box of Winograd tiles is loaded at a time, and of its transform 16 positions are, so that
/// what passes between transforms and products stays in the second cache.
namespace oncotome::kernels {
namespace {

constexpr int kPositions = 16;

using Vector = __m512;

/// Columns of a tile row: combined along z for pass kPass (kPass < 0: one plane), then transformed along y.
template <int kPass>
inline void load_column(const float* at, std::size_t row, std::size_t plane, Vector* out) {
  constexpr int first[] = {0, 1, 2, 1}, second[] = {2, 2, 1, 3};
  Vector d[4];
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    if constexpr (kPass < 0) {
      d[y] = _mm512_load_ps(at + y * row);
    } else {
      const Vector a = _mm512_load_ps(at + y * row + first[kPass] * plane);
      const Vector b = _mm512_load_ps(at + y * row + second[kPass] * plane);
      d[y] = kPass == 1 ? _mm512_add_ps(a, b) : _mm512_sub_ps(a, b);
    }
  }
  out[0] = _mm512_sub_ps(d[0], d[2]);
  out[1] = _mm512_add_ps(d[1], d[2]);
  out[2] = _mm512_sub_ps(d[2], d[1]);
  out[3] = _mm512_sub_ps(d[1], d[3]);
}

/// One row of tiles of one block of channels, from the padded patch to [position][block][tile][16].
template <class Math, int kPass>
void transform_row(const float* at, std::size_t row, std::size_t plane, int tiles, typename Math::Value* to,
                   std::size_t stride) {
  Vector c[4][4];
  load_column<kPass>(at, row, plane, c[0]);
  load_column<kPass>(at + kBlock, row, plane, c[1]);
  for (int t = 0; t < tiles; ++t, to += kBlock) {
    at += 2 * kBlock;
    load_column<kPass>(at, row, plane, c[2]);
    load_column<kPass>(at + kBlock, row, plane, c[3]);
    typename Math::Value* position = to;
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
      Math::put(position, _mm512_sub_ps(c[0][y], c[2][y]));
      Math::put(position += stride, _mm512_add_ps(c[1][y], c[2][y]));
      Math::put(position += stride, _mm512_sub_ps(c[2][y], c[1][y]));
      Math::put(position += stride, _mm512_sub_ps(c[1][y], c[3][y]));
      position += stride;
      c[0][y] = c[2][y];
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
        transform_row<Math, kPass>(patch + z * step * plane + 2 * y * row, row, plane, box.tiles[2], to, stride);
}

inline void fold(Vector a, Vector b, Vector c, Vector d, Vector* first, Vector* second) {
  *first = _mm512_add_ps(a, _mm512_add_ps(b, c));
  *second = _mm512_sub_ps(_mm512_sub_ps(b, c), d);
}

/// Adds what pass kPass gives to the two planes of a tile: (1, 1, 1, 0) and (0, 1, -1, -1).
template <int kPass>
inline void accumulate(float* at, std::size_t plane, Vector value) {
  if constexpr (kPass <= 0) _mm512_store_ps(at, value);
  if constexpr (kPass == 1 || kPass == 2) _mm512_store_ps(at, _mm512_add_ps(_mm512_load_ps(at), value));
  if constexpr (kPass == 1) _mm512_store_ps(at + plane, value);
  if constexpr (kPass >= 2) _mm512_store_ps(at + plane, _mm512_sub_ps(_mm512_load_ps(at + plane), value));
}

/// Products [position][block][tile][16] to sums [block][z][y][x][16].
template <int kPass>
void transform_out(const Box& box, const float* products, std::size_t stride, float* sums) {
  constexpr int step = kPass < 0 ? 1 : 2;
  const std::size_t row = box.tiles[2] * 2 * kBlock, plane = row * box.tiles[1] * 2;
  for (int block = 0; block < box.out_blocks; ++block)
    for (int z = 0; z < box.tiles[0]; ++z, sums += step * plane)
      for (int y = 0; y < box.tiles[1]; ++y)
        for (int x = 0; x < box.tiles[2]; ++x, products += kBlock) {
          Vector part[2][4];
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) {
            const float* at = products + i * stride;
            fold(_mm512_load_ps(at), _mm512_load_ps(at + 4 * stride), _mm512_load_ps(at + 8 * stride),
                 _mm512_load_ps(at + 12 * stride), &part[0][i], &part[1][i]);
          }
#pragma GCC unroll 2
          for (int i = 0; i < 2; ++i) {
            Vector left, right;
            fold(part[i][0], part[i][1], part[i][2], part[i][3], &left, &right);
            float* at = sums + (2 * y + i) * row + 2 * x * kBlock;
            accumulate<kPass>(at, plane, left);
            accumulate<kPass>(at + kBlock, plane, right);
          }
        }
}

template <class Math, int kWidth, int kRows>
void multiply_rows(const typename Math::Value* v, std::size_t v_stride, const typename Math::Value* u, int blocks,
                   float* to, std::size_t to_stride) {
  Vector sums[kRows][kWidth];
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kWidth; ++j) sums[i][j] = _mm512_setzero_ps();
  for (int block = 0; block < blocks; ++block, v += v_stride) {
#pragma GCC unroll 4
    for (int k = 0; k < kBlock; k += Math::kStep) {
      Vector weights[kWidth];
#pragma GCC unroll 2
      for (int j = 0; j < kWidth; ++j, u += kBlock * Math::kStep) weights[j] = Math::get(u);
#pragma GCC unroll 14
      for (int i = 0; i < kRows; ++i) {
        const Vector value = Math::spread(v + i * kBlock + k);
#pragma GCC unroll 2
        for (int j = 0; j < kWidth; ++j) sums[i][j] = Math::multiply_add(value, weights[j], sums[i][j]);
      }
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kWidth; ++j) _mm512_store_ps(to + j * to_stride + i * kBlock, sums[i][j]);
  }
}

template <class Math>
using Multiply = void (*)(const typename Math::Value*, std::size_t, const typename Math::Value*, int, float*,
                          std::size_t);

template <class Math, int kWidth>
constexpr Multiply<Math> kMultiply[] = {
    multiply_rows<Math, kWidth, 1>,  multiply_rows<Math, kWidth, 2>,  multiply_rows<Math, kWidth, 3>,
    multiply_rows<Math, kWidth, 4>,  multiply_rows<Math, kWidth, 5>,  multiply_rows<Math, kWidth, 6>,
    multiply_rows<Math, kWidth, 7>,  multiply_rows<Math, kWidth, 8>,  multiply_rows<Math, kWidth, 9>,
    multiply_rows<Math, kWidth, 10>, multiply_rows<Math, kWidth, 11>, multiply_rows<Math, kWidth, 12>,
    multiply_rows<Math, kWidth, 13>, multiply_rows<Math, kWidth, 14>};

/// One position: values [block][tile][16] times weights [panel][channel][32] to products [block][tile][16].
template <class Math>
void multiply(const Box& box, const typename Math::Value* v, const typename Math::Value* u, float* to) {
  const int tiles = box.tile_count(), groups = (tiles + 13) / 14;
  const std::size_t stride = static_cast<std::size_t>(tiles) * kBlock;
  for (int block = 0; block < box.out_blocks; block += 2) {
    const int width = box.out_blocks - block < 2 ? 1 : 2;
    const Multiply<Math>* table = width == 2 ? kMultiply<Math, 2> : kMultiply<Math, 1>;
    for (int group = 0, begin = 0; group < groups; ++group) {
      const int rows = (tiles - begin) / (groups - group);
      table[rows - 1](v + begin * kBlock, stride, u, box.in_blocks, to + block * stride + begin * kBlock, stride);
      begin += rows;
    }
    u += static_cast<std::size_t>(box.in_blocks) * kBlock * kBlock * width;
  }
}

/// One box's sums, complete, from its patch.
template <class Math, int kPass>
void run_pass(const Box& box, const typename Math::Value* weights, std::size_t position_weights,
              const Scratch& scratch) {
  using Value = typename Math::Value;
  Value* values = static_cast<Value*>(scratch.values);
  transform_in<Math, kPass>(box, scratch.patch, values, scratch.value_stride);
  const Value* u = weights + kPass * (kPass > 0) * kPositions * position_weights;
  for (int f = 0; f < kPositions; ++f)
    multiply<Math>(box, values + f * scratch.value_stride, u + f * position_weights,
                   scratch.products + f * scratch.product_stride);
  transform_out<kPass>(box, scratch.products, scratch.product_stride, scratch.sums);
}

}  // namespace
}  // namespace oncotome::kernels
