// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../values.h"
#include "plan.h"

/// What becomes of a row's sums: bias, residual, statistics, activation, and the output's layout.
namespace oncotome::kernels {
namespace {

struct DirectFinish {
  const ConvShape* shape;
  const ConvArguments* arguments;
  double* statistics;  ///< Of the tile, or null.
  std::int64_t volume;
  int step;  ///< From an output to the next one of its row and phase.
};

inline void add_statistics(const DirectFinish& f, int co, Lanes sum, Lanes squares) {
  add_to_doubles(f.statistics + co, sum);
  add_to_doubles(f.statistics + f.shape->out_blocks() * kBlock + co, squares);
}

/// `value(i)` is the sum of point i, `put(i, v)` takes what the network goes on with.
template <class Value, class Put>
__attribute__((always_inline)) inline void finish_points(const DirectFinish& f, int co, int points, const Value& value,
                                                         const Put& put) {
  const ConvArguments& a = *f.arguments;
  const Lanes bias = a.bias ? load_lanes(a.bias + co) : Lanes{};
  const Lanes slope = spread_lanes(slope_of(a.activation, a.slope));
  Lanes sum = {}, squares = {};
  for (int i = 0; i < points; ++i) {
    const Lanes v = value(i) + bias;
    sum = sum + v;
    squares = multiply_add(v, v, squares);
    put(i, is_slow(a.activation) ? activate_slowly(a.activation, v) : activate_slope(v, slope));
  }
  if (f.statistics) add_statistics(f, co, sum, squares);
}

/// Whether finish_fixed does it: the common kind, straight from registers.
inline bool is_simple(const ConvShape& s, const ConvArguments& a) {
  return s.out_layout == Layout::blocked && !a.residual && !is_slow(a.activation);
}

template <int kPoints, class Value, class Put>
__attribute__((always_inline)) inline void finish_fixed(const DirectFinish& f, int co, const Value& value,
                                                        const Put& put) {
  const ConvArguments& a = *f.arguments;
  const Lanes bias = a.bias ? load_lanes(a.bias + co) : Lanes{};
  const Lanes slope = spread_lanes(slope_of(a.activation, a.slope));
  if (!f.statistics) {
#pragma GCC unroll 16
    for (int i = 0; i < kPoints; ++i) put(i, activate_slope(value(i) + bias, slope));
    return;
  }
  Lanes sum = {}, squares = {};
#pragma GCC unroll 16
  for (int i = 0; i < kPoints; ++i) {
    const Lanes v = value(i) + bias;
    sum = sum + v;
    squares = multiply_add(v, v, squares);
    put(i, activate_slope(v, slope));
  }
  add_statistics(f, co, sum, squares);
}

/// `at` is the offset of the first output in a block; `op` makes floats of sums.
template <class Op>
void finish_blocked(const Op& op, const DirectFinish& f, int co, std::int64_t at, int points, const float* sums) {
  const ConvArguments& a = *f.arguments;
  const Element element = f.shape->out_element;
  const std::int64_t first = co * f.volume + at * kBlock;
  const auto floats = op.floats(co);
  const std::int64_t step = std::int64_t{f.step} * kBlock;
  const auto plain = [&](int i) { return floats(Op::load(sums + i * kBlock)); };
  if (element == Element::bf16) {
    auto* out = static_cast<std::uint16_t*>(a.output) + first;
    const auto put = [&](int i, Lanes v) { store_bf16(out + i * step, v); };
    if (!a.residual) return finish_points(f, co, points, plain, put);
    const auto* residual = static_cast<const std::uint16_t*>(a.residual) + first;
    const auto added = [&](int i) { return plain(i) + load_bf16(residual + i * step); };
    return finish_points(f, co, points, added, put);
  }
  auto* out = static_cast<float*>(a.output) + first;
  const auto put = [&](int i, Lanes v) { store_lanes(out + i * step, v); };
  if (!a.residual) return finish_points(f, co, points, plain, put);
  const float* residual = static_cast<const float*>(a.residual) + first;
  const auto added = [&](int i) { return plain(i) + load_lanes(residual + i * step); };
  finish_points(f, co, points, added, put);
}

template <class Op>
void finish_planar(const Op& op, const DirectFinish& f, int co, std::int64_t at, int points, float* sums) {
  const ConvArguments& a = *f.arguments;
  const int channels = f.shape->out_channels - co < kBlock ? f.shape->out_channels - co : kBlock;
  const auto floats = op.floats(co);
  for (int i = 0; i < points; ++i) store_lanes(sums + i * kBlock, floats(Op::load(sums + i * kBlock)));
  if (a.residual)
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < points; ++i)
        sums[i * kBlock + c] += static_cast<const float*>(a.residual)[(co + c) * f.volume + at + i];
  finish_points(
      f, co, points, [&](int i) { return load_lanes(sums + i * kBlock); },
      [&](int i, Lanes v) { store_lanes(sums + i * kBlock, v); });
  for (int i = 0; i < points; i += 16) {
    const int count = points - i < 16 ? points - i : 16;
    float* out = static_cast<float*>(a.output) + co * f.volume + at + i;
    store_transposed(sums + i * kBlock, count, out, channels, f.volume);
  }
}

template <class Op>
void finish(const Op& op, const DirectFinish& f, int co, std::int64_t at, int points, float* sums) {
  if (f.shape->out_layout == Layout::planar) return finish_planar(op, f, co, at, points, sums);
  finish_blocked(op, f, co, at, points, sums);
}

}  // namespace
}  // namespace oncotome::kernels
