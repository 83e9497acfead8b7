// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "direct_plan.h"
#include "values.h"

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

inline void add_to_doubles(double* to, __m512 v) {
  const __m256 high = _mm512_extractf32x8_ps(v, 1);
  _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), _mm512_cvtps_pd(_mm512_castps512_ps256(v))));
  _mm512_storeu_pd(to + 8, _mm512_add_pd(_mm512_loadu_pd(to + 8), _mm512_cvtps_pd(high)));
}

inline void add_statistics(const DirectFinish& f, int co, __m512 sum, __m512 squares) {
  add_to_doubles(f.statistics + co, sum);
  add_to_doubles(f.statistics + f.shape->out_blocks() * kBlock + co, squares);
}

/// `value(i)` is the sum of point i, `put(i, v)` takes what the network goes on with.
template <class Value, class Put>
__attribute__((always_inline)) inline void finish_points(const DirectFinish& f, int co, int points, const Value& value,
                                                         const Put& put) {
  const ConvArguments& a = *f.arguments;
  const __m512 bias = a.bias ? _mm512_loadu_ps(a.bias + co) : _mm512_setzero_ps();
  const __m512 slope = _mm512_set1_ps(slope_of(a.activation, a.slope));
  __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
  for (int i = 0; i < points; ++i) {
    const __m512 v = _mm512_add_ps(value(i), bias);
    sum = _mm512_add_ps(sum, v);
    squares = _mm512_fmadd_ps(v, v, squares);
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
  const __m512 bias = a.bias ? _mm512_loadu_ps(a.bias + co) : _mm512_setzero_ps();
  const __m512 slope = _mm512_set1_ps(slope_of(a.activation, a.slope));
  if (!f.statistics) {
#pragma GCC unroll 16
    for (int i = 0; i < kPoints; ++i) put(i, activate_slope(_mm512_add_ps(value(i), bias), slope));
    return;
  }
  __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int i = 0; i < kPoints; ++i) {
    const __m512 v = _mm512_add_ps(value(i), bias);
    sum = _mm512_add_ps(sum, v);
    squares = _mm512_fmadd_ps(v, v, squares);
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
    const auto put = [&](int i, __m512 v) { store_bf16(out + i * step, v); };
    if (!a.residual) return finish_points(f, co, points, plain, put);
    const auto* residual = static_cast<const std::uint16_t*>(a.residual) + first;
    const auto added = [&](int i) { return _mm512_add_ps(plain(i), load_bf16(residual + i * step)); };
    return finish_points(f, co, points, added, put);
  }
  auto* out = static_cast<float*>(a.output) + first;
  const auto put = [&](int i, __m512 v) { _mm512_storeu_ps(out + i * step, v); };
  if (!a.residual) return finish_points(f, co, points, plain, put);
  const float* residual = static_cast<const float*>(a.residual) + first;
  const auto added = [&](int i) { return _mm512_add_ps(plain(i), _mm512_loadu_ps(residual + i * step)); };
  finish_points(f, co, points, added, put);
}

/// The first 16 columns of `count` rows of 16 floats as rows.
inline void transpose(const float* in, int count, __m512 (&out)[16]) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = i < count ? _mm512_loadu_ps(in + i * 16) : _mm512_setzero_ps();
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  const auto pairs = [](__m512 x, __m512 y, bool high) {
    const __m512d p = _mm512_castps_pd(x), q = _mm512_castps_pd(y);
    return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(p, q) : _mm512_unpacklo_pd(p, q));
  };
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 4; ++j) a[i + j] = pairs(b[i + j / 2], b[i + 2 + j / 2], j % 2 != 0);
  for (int j = 0; j < 4; ++j) {
    b[j] = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88);
    b[4 + j] = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xDD);
    b[8 + j] = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
    b[12 + j] = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xDD);
  }
  for (int j = 0; j < 4; ++j) {
    out[j] = _mm512_shuffle_f32x4(b[j], b[8 + j], 0x88);
    out[8 + j] = _mm512_shuffle_f32x4(b[j], b[8 + j], 0xDD);
    out[4 + j] = _mm512_shuffle_f32x4(b[4 + j], b[12 + j], 0x88);
    out[12 + j] = _mm512_shuffle_f32x4(b[4 + j], b[12 + j], 0xDD);
  }
}

template <class Op>
void finish_planar(const Op& op, const DirectFinish& f, int co, std::int64_t at, int points, float* sums) {
  const ConvArguments& a = *f.arguments;
  const int channels = f.shape->out_channels - co < kBlock ? f.shape->out_channels - co : kBlock;
  const auto floats = op.floats(co);
  for (int i = 0; i < points; ++i) _mm512_storeu_ps(sums + i * kBlock, floats(Op::load(sums + i * kBlock)));
  if (a.residual)
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < points; ++i)
        sums[i * kBlock + c] += static_cast<const float*>(a.residual)[(co + c) * f.volume + at + i];
  finish_points(
      f, co, points, [&](int i) { return _mm512_loadu_ps(sums + i * kBlock); },
      [&](int i, __m512 v) { _mm512_storeu_ps(sums + i * kBlock, v); });
  for (int i = 0; i < points; i += 16) {
    const int count = points - i < 16 ? points - i : 16;
    __m512 rows[16];
    transpose(sums + i * kBlock, count, rows);
    float* out = static_cast<float*>(a.output) + co * f.volume + at + i;
    for (int c = 0; c < channels; ++c)
      _mm512_mask_storeu_ps(out + c * f.volume, static_cast<__mmask16>((1U << count) - 1), rows[c]);
  }
}

template <class Op>
void finish(const Op& op, const DirectFinish& f, int co, std::int64_t at, int points, float* sums) {
  if (f.shape->out_layout == Layout::planar) return finish_planar(op, f, co, at, points, sums);
  finish_blocked(op, f, co, at, points, sums);
}

}  // namespace
}  // namespace oncotome::kernels
