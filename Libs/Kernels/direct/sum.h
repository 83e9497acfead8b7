// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "finish.h"

namespace oncotome::kernels {
namespace {

/// The points of a row for which a tap lies in the padding: bits.
constexpr std::int32_t kFirst = 1, kLast = 2;

struct DirectTap {
  std::int32_t box, weights;  ///< Offsets within a block, in bytes.
  std::int32_t skip;
};

/// The sums of a register block: of some points beside each other, for some output blocks, over blocks and taps.
struct DirectSum {
  const char* box;
  const char* weights;
  const DirectTap* taps;
  const std::uint8_t* steps;  ///< Of each input block, as block_steps().
  int tap_count, blocks;
  std::ptrdiff_t box_block, weight_block, weight_pitch;  ///< Bytes to the next input block, and output block.
  float* sums;                                           ///< float or int32, 16 of a point and output block.
  std::ptrdiff_t sum_pitch;                              ///< Values to the next output block.
  std::int32_t ends;                                     ///< Which of its points end the row.
  bool add;                                              ///< To what `sums` holds; begins with `starts` otherwise.
  const std::int32_t (*starts)[3][kBlock];               ///< Of each output block: of any point, the first, the last.
  const DirectFinish* finish;                            ///< Of a final sum that is_simple; or null: left in `sums`.
  int co;                                                ///< The first output channel.
  std::int64_t at;                                       ///< And the first output in its block.
};

// Op: Sum, Values; kPoint bytes of a point, kSteps; start, load, store, values, spread and add.
template <class Op, int kGroup, int kPoints, int kFrom, int kTo>
__attribute__((always_inline)) inline void add_tap(const char* box, const char* weights, int steps,
                                                   std::ptrdiff_t pitch, typename Op::Sum (&sums)[kGroup][kPoints]) {
  constexpr int kOnce = smaller(Op::kSteps, kStepsAtOnce);
  if (Op::kSteps == kOnce) steps = kOnce;
  for (int step = 0; step < steps; step += kOnce) {
#pragma GCC unroll 2
    for (int s = step; s < step + kOnce; ++s) {
      typename Op::Values w[kGroup];
#pragma GCC unroll 8
      for (int n = 0; n < kGroup; ++n) w[n] = Op::values(weights + n * pitch + s * 64);
#pragma GCC unroll 16
      for (int i = kFrom; i < kTo; ++i) {
        const typename Op::Values x = Op::spread(box + i * Op::kPoint + s * 4);
#pragma GCC unroll 8
        for (int n = 0; n < kGroup; ++n) sums[n][i] = Op::add(sums[n][i], x, w[n]);
      }
    }
  }
}

template <class Op, int kGroup, int kPoints>
__attribute__((always_inline)) inline void finish_block(const Op& op, const DirectSum& a,
                                                        const typename Op::Sum (&sums)[kGroup][kPoints]) {
  const DirectFinish& f = *a.finish;
  const std::int64_t step = std::int64_t{f.step} * kBlock;
#pragma GCC unroll 8
  for (int n = 0; n < kGroup; ++n) {
    const int co = a.co + n * kBlock;
    const std::int64_t first = co * f.volume + a.at * kBlock;
    const auto floats = op.floats(co);
    const auto value = [&](int i) { return floats(sums[n][i]); };
    if (f.shape->out_element == Element::f32) {
      float* out = static_cast<float*>(f.arguments->output) + first;
      finish_fixed<kPoints>(f, co, value, [&](int i, Lanes v) { store_lanes(out + i * step, v); });
    } else {
      auto* out = static_cast<std::uint16_t*>(f.arguments->output) + first;
      finish_fixed<kPoints>(f, co, value, [&](int i, Lanes v) { store_bf16(out + i * step, v); });
    }
  }
}

/// Asks for what finish_block will write, long before it does.
template <int kGroup, int kPoints>
__attribute__((always_inline)) inline void ask_for_outputs(const DirectSum& a) {
  const DirectFinish& f = *a.finish;
  const std::int64_t point = kBlock * (f.shape->out_element == Element::f32 ? 4 : 2);
  for (int n = 0; n < kGroup; ++n) {
    const char* out =
        static_cast<const char*>(f.arguments->output) + ((a.co + n * kBlock) * f.volume / kBlock + a.at) * point;
    for (int i = 0; i < kPoints; ++i) __builtin_prefetch(out + i * f.step * point, 1);
  }
}

template <class Op, int kGroup, int kPoints>
__attribute__((noinline)) void sum_block(const Op& op, const DirectSum& a) {
  using Sum = typename Op::Sum;
  Sum sums[kGroup][kPoints];
  const int first = kPoints > 1 && (a.ends & kFirst) ? 1 : 0, last = kPoints > 1 && (a.ends & kLast) ? 2 : 0;
#pragma GCC unroll 8
  for (int n = 0; n < kGroup; ++n)
#pragma GCC unroll 16
    for (int i = 0; i < kPoints; ++i)
      sums[n][i] = a.add ? Sum{} : Op::start(a.starts, n, i == 0 ? first : i == kPoints - 1 ? last : 0);
  if (a.finish) ask_for_outputs<kGroup, kPoints>(a);
  const char* box = a.box;
  const char* weights = a.weights;
  for (int b = 0; b < a.blocks; ++b, box += a.box_block, weights += a.weight_block) {
    const int steps = a.steps[b];
    for (const DirectTap *t = a.taps, *end = t + a.tap_count; t < end; ++t) {
      const char *x = box + t->box, *w = weights + t->weights;
      const std::int32_t skip = t->skip & a.ends;
      if (kPoints > 1 && skip == kFirst) {
        add_tap<Op, kGroup, kPoints, kPoints == 1 ? 0 : 1, kPoints>(x, w, steps, a.weight_pitch, sums);
        continue;
      }
      if (kPoints > 1 && skip == kLast) {
        add_tap<Op, kGroup, kPoints, 0, kPoints == 1 ? 1 : kPoints - 1>(x, w, steps, a.weight_pitch, sums);
        continue;
      }
      add_tap<Op, kGroup, kPoints, 0, kPoints>(x, w, steps, a.weight_pitch, sums);
    }
  }
  if (a.add)
#pragma GCC unroll 8
    for (int n = 0; n < kGroup; ++n)
#pragma GCC unroll 16
      for (int i = 0; i < kPoints; ++i) sums[n][i] = sums[n][i] + Op::load(a.sums + n * a.sum_pitch + i * kBlock);
  if (a.finish) return finish_block(op, a, sums);
#pragma GCC unroll 8
  for (int n = 0; n < kGroup; ++n)
#pragma GCC unroll 16
    for (int i = 0; i < kPoints; ++i) Op::store(a.sums + n * a.sum_pitch + i * kBlock, sums[n][i]);
}

template <class Op, int kGroup, int kPoints>
void sum_points(const Op& op, int points, const DirectSum& a) {
  if (points == kPoints) return sum_block<Op, kGroup, kPoints>(op, a);
  if constexpr (kPoints > 1) sum_points<Op, kGroup, kPoints - 1>(op, points, a);
}

/// `points` is at most max_points(group).
template <class Op, int kGroup = 1>
void sum_group(const Op& op, int group, int points, const DirectSum& a) {
  if (group == kGroup) return sum_points<Op, kGroup, max_points(kGroup)>(op, points, a);
  if constexpr (kGroup < kMaxGroup) sum_group<Op, kGroup + 1>(op, group, points, a);
}

}  // namespace
}  // namespace oncotome::kernels
