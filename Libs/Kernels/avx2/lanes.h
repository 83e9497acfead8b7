// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

/// Sixteen floats in two registers.
namespace oncotome::kernels {
namespace {

struct Lanes {
  __m256 low, high;

  Lanes operator+(Lanes other) const { return {_mm256_add_ps(low, other.low), _mm256_add_ps(high, other.high)}; }
};
using Register = __m256;
constexpr int kRegisters = 16, kLaneRegisters = 2;

inline Register load_register(const float* from) { return _mm256_loadu_ps(from); }
inline void store_lanes(float* to, Register v) { _mm256_storeu_ps(to, v); }

inline Lanes spread_lanes(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
inline Lanes load_lanes(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline void store_lanes(float* to, Lanes v) {
  _mm256_storeu_ps(to, v.low);
  _mm256_storeu_ps(to + 8, v.high);
}
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

/// Negative values times the slope.
inline Lanes activate_slope(Lanes v, Lanes slope) {
  return {_mm256_blendv_ps(v.low, _mm256_mul_ps(v.low, slope.low), v.low),
          _mm256_blendv_ps(v.high, _mm256_mul_ps(v.high, slope.high), v.high)};
}

inline Lanes load_bf16(const void* from) {
  const auto half = [from](int i) {
    const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(from) + i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
  };
  return {half(0), half(1)};
}

/// Rounded to nearest, ties to even.
inline void store_bf16(void* to, Lanes v) {
  const auto rounded = [](__m256 x) {
    const __m256i in = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(in, 16), _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(in, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(sum, _mm256_set1_epi32(0x7FC00000), nan), 16);
  };
  const __m256i mixed = _mm256_packus_epi32(rounded(v.low), rounded(v.high));
  _mm256_storeu_si256(static_cast<__m256i*>(to), _mm256_permute4x64_epi64(mixed, _MM_SHUFFLE(3, 1, 2, 0)));
}

inline void add_to_doubles(double* to, Lanes v) {
  const auto add = [to](int at, __m128 four) {
    _mm256_storeu_pd(to + at, _mm256_add_pd(_mm256_loadu_pd(to + at), _mm256_cvtps_pd(four)));
  };
  add(0, _mm256_castps256_ps128(v.low));
  add(4, _mm256_extractf128_ps(v.low, 1));
  add(8, _mm256_castps256_ps128(v.high));
  add(12, _mm256_extractf128_ps(v.high, 1));
}

/// Value c of each of `count` (at most 16) times 16 floats, to row c of the first `rows`.
inline void store_transposed(const float* in, int count, float* out, int rows, std::int64_t pitch) {
  for (int c = 0; c < rows; ++c)
    for (int i = 0; i < count; ++i) out[c * pitch + i] = in[i * 16 + c];
}

}  // namespace
}  // namespace oncotome::kernels
