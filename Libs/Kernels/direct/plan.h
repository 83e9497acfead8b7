// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../lanes.h"
#include "oncotome/kernels/convolution.h"

/// How a direct convolution is cut: into tiles of outputs, a tile into rows, a row into register blocks.
namespace oncotome::kernels {
namespace {

/// A box's values: how many bytes a point of a block takes, and in how many steps of 4 bytes a block is summed.
struct DirectFormat {
  int point_bytes, steps;
  bool pairs_taps;  ///< A step has two values, of a planar input those of two taps.
  bool is_whole;    ///< A tile's box must be filled at once.
};

constexpr int kMaxKernel = 16, kMaxTaps = 512;
constexpr int kStepsAtOnce = 2;
/// Output blocks that are summed together: one, where a step of two would load more often than it multiplies.
constexpr int kMaxGroup = kLaneRegisters == 1 ? 6 : 1;

/// Points of a row whose sums, for so many output blocks, fit the registers beside a step's weights and a value.
constexpr int max_points(int group) {
  const int points = (kRegisters - 1) / (group * kLaneRegisters) - 1;
  return points < 14 ? points : 14;
}

inline int divide_up(int a, int b) { return (a + b - 1) / b; }
constexpr int smaller(int a, int b) { return a < b ? a : b; }
inline int divide_down(int a, int b) { return a >= 0 ? a / b : -divide_up(-a, b); }

/// Taps along x that are summed in one step: one, or two (of which the second may lack: -1).
struct ColumnStep {
  int first, second;
};

inline int column_steps(const ConvShape& s, bool pairs, ColumnStep* steps) {
  const int kernel = s.kernel[2], dilation = s.dilation[2], stride = s.stride[2];
  bool used[kMaxKernel] = {};
  int count = 0;
  for (int k = 0; k < kernel; ++k) {
    if (used[k]) continue;
    int mate = -1;
    for (int other = k + 1; pairs && other < kernel; ++other)
      if (!used[other] && (other - k) * dilation == stride) mate = other;
    if (mate >= 0) used[mate] = true;
    steps[count++] = {k, mate};
  }
  return count;
}

/// Steps of an input block that sum more than filler channels: `channels` are those from the block on. Whole multiples
/// of kStepsAtOnce, unless a full block has fewer.
inline int block_steps(const DirectFormat& format, int channels) {
  const int step = kBlock / format.steps, real = divide_up(divide_up(channels, step), kStepsAtOnce) * kStepsAtOnce;
  return smaller(real, format.steps);
}

/// Calls `block` for each input block with the channels of its source from there on; each of a planar input's channels
/// is a block.
template <class Block>
inline void each_block(const ConvShape& s, const Block& block) {
  const int size = s.in_layout == Layout::planar ? 1 : kBlock;
  for (int source = 0; source < s.source_count; ++source)
    for (int c = 0; c < s.source_channels[source]; c += size) block(s.source_channels[source] - c);
}

struct DirectPlan {
  DirectFormat format;
  int blocks;                    ///< Of the input: channel blocks, or a planar input's channels.
  int steps;                     ///< Of all input blocks for a tap.
  int column_steps, taps;        ///< Of a block.
  int in_step[3], out_step[3];   ///< The stride of a convolution, and of a transposed one.
  int gap[3];                    ///< From one plane (row) of a tile to the next: the dilation, or 1.
  int tile[3], counts[3];        ///< Outputs of a tile, and tiles.
  int slab;                      ///< Of a tile along z: outputs that are summed before the box is moved on.
  int co_tile, co_count, group;  ///< Output blocks of a tile, tiles, and output blocks that are summed together.
  int chunk;                     ///< Input blocks that are summed before the next rows are.
  int box[3], columns;           ///< Inputs of a slab; x is cut into in_step[2] phases of so many columns.
  std::ptrdiff_t row_bytes, plane_bytes, block_bytes;
  std::ptrdiff_t box_bytes, sum_bytes;  ///< Of a thread; after them lie the steps of the input blocks.
};

/// Bytes of the weights of an input block, and from one output block to the next (no multiple of a page).
inline std::ptrdiff_t direct_block_weights(const DirectPlan& p) { return std::ptrdiff_t{64} * p.taps * p.format.steps; }
inline std::ptrdiff_t direct_weight_pitch(const DirectPlan& p) { return direct_block_weights(p) * p.blocks + 320; }

/// Roughly the cycles of one step of a row: its sums, loads of weights and of points. Sets the group of that cost.
inline double row_cost(int co_blocks, int cells, int& group) {
  double best = 0;
  for (int most = 1; most <= kMaxGroup; ++most) {
    const int groups = divide_up(co_blocks, most), size = divide_up(co_blocks, groups);
    const int pieces = divide_up(cells, max_points(size)), sums = size * cells * kLaneRegisters;
    const int floor = 12 * pieces;
    const double cost = groups * ((sums > floor ? sums : floor) + 0.5 * size * pieces + 0.15 * cells);
    if (most > 1 && cost >= best) continue;
    best = cost;
    group = size;
  }
  return best;
}

/// Inputs that so many outputs of a tile read.
inline int inputs_of(const ConvShape& s, const DirectPlan& p, int axis, int outputs) {
  const int reach = (s.kernel[axis] - 1) * s.dilation[axis];
  if (s.transposed) return (outputs - 1 + reach) / s.stride[axis] + 1;
  return (outputs - 1) * s.stride[axis] + reach / p.gap[axis] + 1;
}

inline void set_box(const ConvShape& s, DirectPlan& p) {
  for (int a = 0; a < 3; ++a) p.box[a] = inputs_of(s, p, a, a == 0 ? p.slab : p.tile[a]);
  if (p.format.pairs_taps) p.box[2] += p.in_step[2];  // the lacking second of a pair
  p.columns = divide_up(p.box[2], p.in_step[2]);
  p.row_bytes = std::ptrdiff_t{p.columns} * p.in_step[2] * p.format.point_bytes;
  p.plane_bytes = p.row_bytes * p.box[1];
  p.block_bytes = p.plane_bytes * p.box[0];
  p.box_bytes = (p.block_bytes * p.blocks + 127) / 64 * 64;
}

/// Slabs follow each other in a tile as long as there are tiles enough for threads.
inline void set_tiles(const ConvShape& s, DirectPlan& p) {
  constexpr int kTiles = 24;
  int tiles = p.co_count, starts[3], rows[3];
  for (int a = 0; a < 3; ++a) {
    starts[a] = smaller(p.gap[a], s.out[a]);
    rows[a] = divide_up(s.out[a], p.gap[a]);
    p.counts[a] = starts[a] * divide_up(rows[a], a == 0 ? p.slab : p.tile[a]);
    tiles *= p.counts[a];
  }
  const int slabs = divide_up(rows[0], p.slab), most = p.format.is_whole || tiles < 2 * kTiles ? 1 : tiles / kTiles;
  p.tile[0] = divide_up(slabs, divide_up(slabs, most)) * p.slab;
  p.counts[0] = starts[0] * divide_up(rows[0], p.tile[0]);
}

/// The cost of all tiles as `p` cuts them, with what an uneven share of few tiles costs; `row` is that of a step.
inline double plan_cost(const ConvShape& s, const DirectPlan& p, double row) {
  const double points = static_cast<double>(inputs_of(s, p, 0, p.tile[0])) * p.box[1] * p.columns * p.in_step[2];
  const double load = p.blocks * points * 8 * p.format.point_bytes / 32;
  const double rows = static_cast<double>(p.tile[0]) * p.tile[1];
  const double taps = static_cast<double>(p.taps) / (p.out_step[0] * p.out_step[1]) * p.steps;
  const double weights = 0.1 * static_cast<double>(direct_weight_pitch(p)) * p.co_tile * p.tile[0] / p.slab;
  const double tiles = static_cast<double>(p.counts[0]) * p.counts[1] * p.counts[2] * p.co_count;
  return (load + rows * (row * taps + 300) + weights + 4000) * (tiles + 1);
}

inline DirectPlan direct_plan(const ConvShape& s, const DirectFormat& format) {
  constexpr std::ptrdiff_t kBox = 320 << 10;
  // A longer sum would lose more of its digits.
  constexpr int kMaxSteps = 1024;
  DirectPlan p = {};
  p.format = format;
  p.blocks = s.in_layout == Layout::planar ? s.in_channels() : s.in_blocks();
  each_block(s, [&](int channels) { p.steps += block_steps(format, channels); });
  ColumnStep columns[kMaxKernel];
  p.column_steps = column_steps(s, format.pairs_taps, columns);
  p.taps = s.kernel[0] * s.kernel[1] * p.column_steps;
  const int chunk = kMaxSteps / (p.taps * format.steps);
  p.chunk = chunk < 1 ? 1 : chunk < p.blocks ? chunk : p.blocks;
  for (int a = 0; a < 3; ++a) {
    p.in_step[a] = s.transposed ? 1 : s.stride[a];
    p.out_step[a] = s.transposed ? s.stride[a] : 1;
    p.gap[a] = a < 2 && s.stride[a] == 1 && !s.transposed ? s.dilation[a] : 1;
  }
  const int wide = divide_up(s.out[2], 72);
  p.tile[2] = divide_up(divide_up(s.out[2], wide), p.out_step[2]) * p.out_step[2];
  DirectPlan best = p;
  double least = 0;
  for (int co_count = 1; co_count <= s.out_blocks(); co_count = co_count < 4 ? co_count + 1 : co_count * 2) {
    p.co_tile = divide_up(s.out_blocks(), co_count);
    p.co_count = divide_up(s.out_blocks(), p.co_tile);
    const double row = row_cost(p.co_tile, divide_up(p.tile[2], p.out_step[2]), p.group);
    for (int z = p.out_step[0]; z < 2 * s.out[0] || z == p.out_step[0]; z *= 2)
      for (int y = p.out_step[1]; y < 2 * s.out[1] || y == p.out_step[1]; y *= 2) {
        p.slab = smaller(z, divide_up(s.out[0], p.gap[0]));
        p.tile[1] = smaller(y, divide_up(s.out[1], p.gap[1]));
        set_box(s, p);
        set_tiles(s, p);
        const double cost = plan_cost(s, p, row);
        if (least > 0 && (p.box_bytes > kBox || cost >= least)) continue;
        least = cost;
        best = p;
      }
  }
  const int rows = best.chunk < best.blocks ? best.slab * best.tile[1] : 1;
  best.sum_bytes = std::ptrdiff_t{64} * rows * best.group * best.tile[2];
  return best;
}

}  // namespace
}  // namespace oncotome::kernels
