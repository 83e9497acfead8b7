// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../lanes.h"
#include "box.h"

/// The products of matrices of a Winograd convolution.
namespace oncotome::kernels {
namespace {

/// Blocks of output channels and tiles whose sums stay in registers, beside the weights of a channel and one value.
constexpr int kPanel = kRegisters == 32 ? 2 : 1;
constexpr int kMostRows = (kRegisters - kPanel * kLaneRegisters - 1) / (kPanel * kLaneRegisters);

template <class Math, int kWidth, int kRows>
void multiply_rows(const typename Math::Value* v, std::size_t v_stride, const typename Math::Value* u, int blocks,
                   float* to, std::size_t to_stride) {
  Lanes sums[kRows][kWidth];
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kWidth; ++j) sums[i][j] = Lanes{};
  for (int block = 0; block < blocks; ++block, v += v_stride) {
#pragma GCC unroll 4
    for (int k = 0; k < kBlock; k += Math::kStep) {
      Lanes weights[kWidth];
#pragma GCC unroll 2
      for (int j = 0; j < kWidth; ++j, u += kBlock * Math::kStep) weights[j] = Math::get(u);
#pragma GCC unroll 14
      for (int i = 0; i < kRows; ++i) {
        const Lanes value = Math::spread(v + i * kBlock + k);
#pragma GCC unroll 2
        for (int j = 0; j < kWidth; ++j) sums[i][j] = Math::multiply_add(value, weights[j], sums[i][j]);
      }
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kWidth; ++j) store_lanes(to + j * to_stride + i * kBlock, sums[i][j]);
  }
}

template <class Math, int kWidth, int kRows = kMostRows>
void multiply_some(int rows, const typename Math::Value* v, std::size_t v_stride, const typename Math::Value* u,
                   int blocks, float* to, std::size_t to_stride) {
  if (rows == kRows) return multiply_rows<Math, kWidth, kRows>(v, v_stride, u, blocks, to, to_stride);
  if constexpr (kRows > 1) multiply_some<Math, kWidth, kRows - 1>(rows, v, v_stride, u, blocks, to, to_stride);
}

/// One position: values [block][tile][16] times weights [panel][channel][kPanel * 16] to products [block][tile][16].
template <class Math>
void multiply(const Box& box, const typename Math::Value* v, const typename Math::Value* u, float* to) {
  const int tiles = box.tile_count(), groups = (tiles + kMostRows - 1) / kMostRows;
  const std::size_t stride = static_cast<std::size_t>(tiles) * kBlock;
  for (int block = 0; block < box.out_blocks; block += kPanel) {
    const int width = least(kPanel, box.out_blocks - block);
    const auto some = width == kPanel ? multiply_some<Math, kPanel> : multiply_some<Math, 1>;
    for (int group = 0, begin = 0; group < groups; ++group) {
      const int rows = (tiles - begin) / (groups - group);
      some(rows, v + begin * kBlock, stride, u, box.in_blocks, to + block * stride + begin * kBlock, stride);
      begin += rows;
    }
    u += static_cast<std::size_t>(box.in_blocks) * kBlock * kBlock * width;
  }
}

}  // namespace
}  // namespace oncotome::kernels
