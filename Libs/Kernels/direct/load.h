// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string.h>

#include "../values.h"
#include "plan.h"

/// Fills a tile's box: [block][z][y][phase of x][column][point], activated values, zeros beyond the tensor. It moves on
/// along z: a plane lies where one was that is no longer read.
namespace oncotome::kernels {
namespace {

/// The tile's first output and input, and the output block it begins with.
struct DirectTile {
  int out[3], in[3], size[3];
  int co, co_count;
  int plane, end;  ///< The planes to be loaded next, from the tile's first input on.
};

inline DirectTile direct_tile(const ConvShape& s, const DirectPlan& p, std::int64_t index) {
  DirectTile t = {};
  int at[3];
  for (int a = 2; a >= 0; --a) {
    at[a] = static_cast<int>(index % p.counts[a]);
    index /= p.counts[a];
    const int starts = smaller(p.gap[a], s.out[a]);
    t.out[a] = at[a] / starts * p.tile[a] * p.gap[a] + at[a] % starts;
    t.size[a] = smaller(p.tile[a], divide_up(s.out[a] - t.out[a], p.gap[a]));
    t.in[a] = s.transposed ? -divide_down((s.kernel[a] - 1) * s.dilation[a] - t.out[a] - s.pad[a], s.stride[a])
                           : t.out[a] * s.stride[a] - s.pad[a];
  }
  t.co = static_cast<int>(index) * p.co_tile;
  t.co_count = t.co + p.co_tile < s.out_blocks() ? p.co_tile : s.out_blocks() - t.co;
  return t;
}

/// Whether a tap of some output reads what lies `at` inputs after the tile's first.
inline bool is_read(const ConvShape& s, int axis, int at) {
  if (s.transposed || s.stride[axis] == 1) return true;
  for (int k = 0; k < s.kernel[axis]; ++k)
    if ((at - k * s.dilation[axis]) % s.stride[axis] == 0) return true;
  return false;
}

/// A row of a box: inputs from `from` to `to` of `size` are real, the others zeros.
struct DirectRow {
  char* out;
  int from, to, size, phases, columns;
};

template <class Op>
void zero_points(const Op& op, const DirectRow& r, int from, int to) {
  for (int i = from; i < to; ++i)
    op.clear(r.out + (static_cast<std::ptrdiff_t>(i % r.phases) * r.columns + i / r.phases) * Op::kPoint);
}

/// `get(i)` is the activated input i of the row. The phases of x after `used` are not read.
template <class Op, class Get>
__attribute__((always_inline)) inline void fill_row(const Op op, const DirectRow& r, int used, const Get& get) {
  zero_points(op, r, 0, r.from);
  for (int phase = 0; phase < used; ++phase) {
    int i = r.from + ((phase - r.from) % r.phases + r.phases) % r.phases;
    char* out = r.out + (static_cast<std::ptrdiff_t>(phase) * r.columns + i / r.phases) * Op::kPoint;
    for (; i < r.to; i += r.phases, out += Op::kPoint) op.put(out, get(i));
  }
  zero_points(op, r, r.to, r.size);
}

template <class Op>
__attribute__((noinline)) void load_blocked_row(const Op op, const Reader reader, Element element, const char* in,
                                                const DirectRow& r, int used) {
  const auto at = [&](int i) { return std::int64_t{i - r.from} * kBlock; };
  if (is_slow(reader.activation))
    fill_row(op, r, used, [&](int i) { return reader.slow(load_element(element, in, at(i))); });
  else if (element == Element::f32)
    fill_row(op, r, used, [&](int i) { return reader.fast(load_element(Element::f32, in, at(i))); });
  else
    fill_row(op, r, used, [&](int i) { return reader.fast(load_element(Element::bf16, in, at(i))); });
}

/// The part of the box that an input block fills. `row(in, r)` loads one row from its offset in points.
template <class Row>
__attribute__((always_inline)) inline void load_block(const ConvShape& s, const DirectPlan& p, const DirectTile& t,
                                                      char* box, const Row& row) {
  DirectRow r = {nullptr, t.in[2] < 0 ? -t.in[2] : 0, s.in[2] - t.in[2], p.box[2], p.in_step[2], p.columns};
  if (r.from > r.size) r.from = r.size;
  if (r.to > r.size) r.to = r.size;
  if (r.to < r.from) r.to = r.from;
  for (int z = t.plane; z < t.end; ++z) {
    const int in_z = t.in[0] + z * p.gap[0];
    if (in_z < 0 || in_z >= s.in[0] || !is_read(s, 0, z)) continue;
    for (int y = 0; y < p.box[1]; ++y) {
      const int in_y = t.in[1] + y * p.gap[1];
      if (in_y < 0 || in_y >= s.in[1] || !is_read(s, 1, y)) continue;
      r.out = box + z % p.box[0] * p.plane_bytes + y * p.row_bytes;
      row((std::int64_t{in_z} * s.in[1] + in_y) * s.in[2] + t.in[2] + r.from, r);
    }
  }
}

template <class Op>
void load_blocked(const Op& op, const ConvShape& s, const DirectPlan& p, const ConvArguments& a, const DirectTile& t,
                  char* box) {
  const std::int64_t volume = std::int64_t{s.in[0]} * s.in[1] * s.in[2];
  const int size = s.in_element == Element::bf16 ? 2 : 4;
  const int reach = (s.kernel[2] - 1) * s.dilation[2] + 1;
  const int used = reach < p.in_step[2] ? reach : p.in_step[2];
  for (int source = 0; source < s.source_count; ++source)
    for (int c = 0; c < s.source_channels[source]; c += kBlock, box += p.block_bytes) {
      const Reader reader(a.sources[source], c);
      const auto* in = static_cast<const char*>(a.sources[source].data) + c * volume * size;
      load_block(s, p, t, box, [&](std::int64_t at, const DirectRow& r) {
        load_blocked_row(op, reader, s.in_element, in + at * kBlock * size, r, used);
      });
    }
}

/// Asks for some rows of the planes after those that are loaded.
inline void ask_for_inputs(const ConvShape& s, const DirectPlan& p, const ConvArguments& a, const DirectTile& t,
                           int first, int last) {
  const bool planar = s.in_layout == Layout::planar;
  const std::ptrdiff_t point = planar ? 4 : kBlock * (s.in_element == Element::f32 ? 4 : 2);
  const int left = t.in[2] < 0 ? 0 : t.in[2], right = t.in[2] + p.box[2] < s.in[2] ? t.in[2] + p.box[2] : s.in[2];
  for (int row = first; row < last; ++row) {
    const int z = t.end + row / p.box[1], y = row % p.box[1], in_z = t.in[0] + z * p.gap[0],
              in_y = t.in[1] + y * p.gap[1];
    if (in_z < 0 || in_z >= s.in[0] || in_y < 0 || in_y >= s.in[1] || !is_read(s, 0, z) || !is_read(s, 1, y)) continue;
    for (int source = 0; source < s.source_count; ++source)
      for (int c = 0; c < s.source_channels[source]; c += planar ? 1 : kBlock) {
        const std::int64_t plane = std::int64_t{planar ? c : c / kBlock} * s.in[0] + in_z;
        const char* at =
            static_cast<const char*>(a.sources[source].data) + ((plane * s.in[1] + in_y) * s.in[2] + left) * point;
        for (const char* end = at + (right - left) * point; at < end; at += 64) __builtin_prefetch(at, 0, 2);
      }
  }
}

}  // namespace
}  // namespace oncotome::kernels
