// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

/// Sixteen floats in one register.
namespace oncotome::kernels {
namespace {

using Lanes = __m512;
using Register = __m512;
constexpr int kRegisters = 32, kLaneRegisters = 1;

inline Register load_register(const float* from) { return _mm512_loadu_ps(from); }

inline Lanes spread_lanes(float value) { return _mm512_set1_ps(value); }
inline Lanes load_lanes(const float* from) { return _mm512_loadu_ps(from); }
inline void store_lanes(float* to, Lanes v) { _mm512_storeu_ps(to, v); }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }

/// Negative values times the slope.
inline Lanes activate_slope(Lanes v, Lanes slope) {
  return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v, slope);
}

inline Lanes load_bf16(const void* from) {
  const __m256i bits = _mm256_loadu_si256(static_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

/// Rounded to nearest, ties to even.
inline void store_bf16(void* to, Lanes v) {
#ifdef __AVX512BF16__
  const __m256i bits = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
#else
  const __m512i in = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(in, 16), _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(in, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_mov_epi32(sum, nan, _mm512_set1_epi32(0x7FC00000));
  const __m256i bits = _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
#endif
  _mm256_storeu_si256(static_cast<__m256i*>(to), bits);
}

inline void add_to_doubles(double* to, Lanes v) {
  const __m256 high = _mm512_extractf32x8_ps(v, 1);
  _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), _mm512_cvtps_pd(_mm512_castps512_ps256(v))));
  _mm512_storeu_pd(to + 8, _mm512_add_pd(_mm512_loadu_pd(to + 8), _mm512_cvtps_pd(high)));
}

/// Value c of each of `count` (at most 16) times 16 floats, to row c of the first `rows`.
inline void store_transposed(const float* in, int count, float* out, int rows, std::int64_t pitch) {
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
    a[j] = _mm512_shuffle_f32x4(b[j], b[8 + j], 0x88);
    a[8 + j] = _mm512_shuffle_f32x4(b[j], b[8 + j], 0xDD);
    a[4 + j] = _mm512_shuffle_f32x4(b[4 + j], b[12 + j], 0x88);
    a[12 + j] = _mm512_shuffle_f32x4(b[4 + j], b[12 + j], 0xDD);
  }
  const auto mask = static_cast<__mmask16>((1U << count) - 1);
  for (int c = 0; c < rows; ++c) _mm512_mask_storeu_ps(out + c * pitch, mask, a[c]);
}

}  // namespace
}  // namespace oncotome::kernels
