// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "finish.h"
#include "load.h"
#include "sum.h"

/// A tile of a convolution: slab after slab along z its box is filled, and rows are summed from it.
namespace oncotome::kernels {
namespace {

/// The input that tap k of output `o` reads; false when it reads none, or padding.
inline bool tap_input(const ConvShape& s, int axis, int o, int k, int& in) {
  in = o * s.stride[axis] + k * s.dilation[axis] - s.pad[axis];
  if (s.transposed) {
    const int full = o + s.pad[axis] - k * s.dilation[axis];
    if (full < 0 || full % s.stride[axis] != 0) return false;
    in = full / s.stride[axis];
  }
  return in >= 0 && in < s.in[axis];
}

/// The taps along x of the outputs of a row that lie a stride of the transposed convolution apart.
struct DirectColumns {
  int count, cells;
  DirectTap taps[kMaxKernel];
};

inline void column_taps(const ConvShape& s, const DirectPlan& p, const DirectTile& t, int phase, DirectColumns& c) {
  ColumnStep steps[kMaxKernel];
  c.count = 0;
  c.cells = divide_up(t.size[2] - phase, p.out_step[2]);
  for (int i = 0, count = column_steps(s, p.format.pairs_taps, steps); i < count; ++i) {
    const int reach = steps[i].first * s.dilation[2];
    int offset = reach % p.in_step[2] * p.columns + reach / p.in_step[2], first = t.in[2] + reach;
    if (s.transposed) {
      const int full = t.out[2] + phase + s.pad[2] - reach;
      first = divide_down(full, s.stride[2]);
      if (first * s.stride[2] != full) continue;
      offset = first - t.in[2];
    }
    const int last = first + (c.cells - 1) * p.in_step[2];
    std::int32_t skip = 0;
    if (s.in_layout == Layout::blocked) {
      if (last < 0 || first >= s.in[2]) continue;
      skip = (first < 0 ? kFirst : 0) | (last >= s.in[2] ? kLast : 0);
    }
    c.taps[c.count++] = {offset * p.format.point_bytes, i, skip};
  }
}

inline int row_taps(const ConvShape& s, const DirectPlan& p, const DirectTile& t, int z, int y,
                    const DirectColumns& columns, DirectTap* taps) {
  int count = 0, in_z = 0, in_y = 0;
  for (int kz = 0; kz < s.kernel[0]; ++kz) {
    if (!tap_input(s, 0, z, kz, in_z)) continue;
    for (int ky = 0; ky < s.kernel[1]; ++ky) {
      if (!tap_input(s, 1, y, ky, in_y)) continue;
      const int place = (in_z - t.in[0]) / p.gap[0] % p.box[0];
      const auto box = static_cast<std::int32_t>(place * p.plane_bytes + (in_y - t.in[1]) / p.gap[1] * p.row_bytes);
      const int weights = (kz * s.kernel[1] + ky) * p.column_steps;
      for (int i = 0; i < columns.count; ++i) {
        const DirectTap& x = columns.taps[i];
        taps[count++] = {box + x.box, (weights + x.weights) * p.format.steps * 64, x.skip};
      }
    }
  }
  return count;
}

/// What a row's sums are of: so many output blocks, and whether no input block is left.
struct DirectRange {
  int group;
  bool is_last;
};

/// Whether rows may be summed from the tensor itself: each input is read as it is stored, and none is padding.
inline bool is_read_in_place(const ConvShape& s, const ConvArguments& a) {
  const Source& source = a.sources[0];
  for (int axis = 0; axis < 3; ++axis) {
    const int step = s.transposed ? s.stride[axis] : 1;
    if (s.kernel[axis] != step || s.stride[axis] != step || s.pad[axis] != 0) return false;
    if (s.out[axis] != s.in[axis] * step) return false;
  }
  return s.source_count == 1 && !source.scale && source.activation == Activation::none;
}

/// The planes, from the tile's first input on, that outputs up to `out` read.
inline int planes_until(const ConvShape& s, const DirectPlan& p, const DirectTile& t, int out) {
  const int last =
      s.transposed ? (out + s.pad[0]) / s.stride[0] : out * s.stride[0] - s.pad[0] + (s.kernel[0] - 1) * s.dilation[0];
  return (last - t.in[0]) / p.gap[0] + 1;
}

/// Where a tile's box begins in the tensor, which becomes the box.
inline const char* box_in_place(const ConvShape& s, const ConvArguments& a, const DirectTile& t, DirectPlan& p) {
  const int point = p.format.point_bytes;
  p.row_bytes = std::ptrdiff_t{s.in[2]} * point;
  p.plane_bytes = p.row_bytes * s.in[1];
  p.block_bytes = p.plane_bytes * s.in[0];
  p.box[0] = s.in[0];
  return static_cast<const char*>(a.sources[0].data) + t.in[0] * p.plane_bytes + t.in[1] * p.row_bytes +
         t.in[2] * point;
}

/// Sums the outputs of a row that are a phase of x, and finishes them with the last blocks. The sums stay where they
/// are when there are blocks to come.
template <class Op>
void run_row(const Op& op, const DirectPlan& p, const DirectFinish& f, const DirectRange& r, int cells, DirectSum a) {
  const int pieces = divide_up(cells, max_points(r.group));
  std::int32_t starts[kMaxGroup][3][kBlock];
  a.starts = starts;
  if (!a.add) op.begin(p, a, r.group, pieces == 1 ? kFirst | kLast : 0, starts);
  for (int piece = 0; piece < pieces; ++piece) {
    const int points = cells / pieces + (piece < cells % pieces ? 1 : 0);
    a.ends = (piece == 0 ? kFirst : 0) | (piece == pieces - 1 ? kLast : 0);
    sum_group(op, r.group, points, a);
    for (int n = 0; r.is_last && !a.finish && n < r.group; ++n)
      finish(op, f, a.co + n * kBlock, a.at, points, a.sums + n * a.sum_pitch);
    a.at += std::int64_t{points} * f.step;
    a.box += points * Op::kPoint;
    if (p.chunk < p.blocks) a.sums += points * kBlock;
  }
}

/// Sums a slab, a tile that begins and ends with it, from a filled box; meanwhile asks for the planes up to `next`.
template <class Op>
void run_slab(const Op& op, const DirectPlan& p, const DirectFinish& f, const DirectTile& t,
              const DirectColumns* columns, int next, const char* box, const std::uint8_t* steps, float* sums) {
  const ConvShape& s = *f.shape;
  const ConvArguments& a = *f.arguments;
  DirectTap taps[kMaxTaps];
  DirectSum sum = {};
  sum.taps = taps;
  sum.box_block = p.block_bytes;
  sum.weight_block = direct_block_weights(p);
  sum.weight_pitch = direct_weight_pitch(p);
  sum.sum_pitch = std::ptrdiff_t{kBlock} * p.tile[2] / p.out_step[2];
  const std::ptrdiff_t step = p.chunk < p.blocks ? sum.sum_pitch * p.group : 0;
  const int rows = t.size[0] * t.size[1], asked = (next - t.end) * p.box[1];
  const int phases = p.out_step[2] < t.size[2] ? p.out_step[2] : t.size[2];
  for (int co = t.co; co < t.co + t.co_count; co += p.group) {
    DirectRange r = {t.co + t.co_count - co < p.group ? t.co + t.co_count - co : p.group, false};
    sum.co = co * kBlock;
    for (int block = 0; block < p.blocks; block += p.chunk) {
      sum.blocks = p.blocks - block < p.chunk ? p.blocks - block : p.chunk;
      sum.weights = static_cast<const char*>(a.weights) + co * sum.weight_pitch + block * sum.weight_block;
      sum.box = box + block * p.block_bytes;
      sum.steps = steps + block;
      sum.add = block > 0;
      sum.sums = sums;
      r.is_last = block + sum.blocks == p.blocks;
      sum.finish = r.is_last && is_simple(s, a) ? &f : nullptr;
      for (int row = 0; row < rows; ++row) {
        const int z = t.out[0] + row / t.size[1] * p.gap[0], y = t.out[1] + row % t.size[1] * p.gap[1];
        if (co == t.co && block == 0) ask_for_inputs(s, p, a, t, asked * row / rows, asked * (row + 1) / rows);
        for (int phase = 0; phase < phases; ++phase, sum.sums += step) {
          sum.tap_count = row_taps(s, p, t, z, y, columns[phase], taps);
          sum.at = (std::int64_t{z} * s.out[1] + y) * s.out[2] + t.out[2] + phase;
          run_row(op, p, f, r, columns[phase].cells, sum);
        }
      }
    }
  }
}

template <class Op>
void run_direct_tile(Op op, const ConvShape& s, const ConvArguments& a, std::int64_t index, void* scratch) {
  DirectPlan p = direct_plan(s, Op::format());
  DirectTile t = direct_tile(s, p, index);
  auto* sums = reinterpret_cast<float*>(static_cast<char*>(scratch) + p.box_bytes);
  auto* steps = reinterpret_cast<std::uint8_t*>(sums) + p.sum_bytes;
  int blocks = 0;
  each_block(s, [&](int channels) { steps[blocks++] = static_cast<std::uint8_t>(block_steps(p.format, channels)); });
  const bool in_place = Op::is_stored(s.in_element) && is_read_in_place(s, a);
  const char* box = in_place ? box_in_place(s, a, t, p) : static_cast<const char*>(scratch);
  DirectFinish f = {&s, &a, nullptr, std::int64_t{s.out[0]} * s.out[1] * s.out[2], p.out_step[2]};
  if (a.statistics) {
    const std::int64_t length = std::int64_t{2} * s.out_blocks() * kBlock;
    f.statistics = a.statistics + index * length;
    memset(f.statistics, 0, static_cast<std::size_t>(length) * sizeof(double));
  }
  DirectColumns columns[kMaxKernel];
  for (int phase = 0; phase < p.out_step[2] && phase < t.size[2]; ++phase) column_taps(s, p, t, phase, columns[phase]);
  const int out = t.out[0], size = t.size[0];
  const auto until = [&](int planes) { return planes_until(s, p, t, out + (smaller(planes, size) - 1) * p.gap[0]); };
  for (int done = 0; done < size; done += p.slab, t.plane = t.end) {
    t.out[0] = out + done * p.gap[0];
    t.size[0] = smaller(p.slab, size - done);
    t.end = until(done + p.slab);
    if (!in_place) op.fill(s, p, a, t, static_cast<char*>(scratch));
    run_slab(op, p, f, t, columns, until(done + 2 * p.slab), box, steps, sums);
  }
}

inline std::int64_t direct_tiles(const DirectPlan& p) {
  return std::int64_t{p.counts[0]} * p.counts[1] * p.counts[2] * p.co_count;
}

inline std::size_t direct_scratch(const DirectPlan& p) {
  return static_cast<std::size_t>(p.box_bytes + p.sum_bytes + p.blocks);
}

/// Why no direct kernel takes a shape, or null.
inline const char* direct_declines(const ConvShape& s) {
  std::int64_t taps = 1;
  for (int a = 0; a < 3; ++a) {
    if (s.kernel[a] > kMaxKernel || s.stride[a] > kMaxKernel) return "a kernel or stride above 16";
    taps *= s.kernel[a];
  }
  if (taps > kMaxTaps) return "more than 512 taps";
  if (s.transposed && (s.in_layout == Layout::planar || s.out_layout == Layout::planar))
    return "transposed with a planar input or output";
  return nullptr;
}

}  // namespace
}  // namespace oncotome::kernels
