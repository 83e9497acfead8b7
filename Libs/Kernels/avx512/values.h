// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <math.h>

#include "oncotome/kernels/convolution.h"

/// Sixteen values of a block: as they are stored, and activated.
namespace oncotome::kernels {
namespace {

inline __m512 load_bf16(const void* from) {
  const __m256i bits = _mm256_loadu_si256(static_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

inline __m512 load_element(Element element, const void* data, std::int64_t at) {
  if (element == Element::bf16) return load_bf16(static_cast<const std::uint16_t*>(data) + at);
  return _mm512_loadu_ps(static_cast<const float*>(data) + at);
}

/// Rounded to nearest, ties to even.
inline void store_bf16(void* to, __m512 v) {
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

/// elu and gelu, which are too rare in these networks to be worth a vector's exponential.
__attribute__((noinline)) static __m512 activate_slowly(Activation activation, __m512 v) {
  alignas(64) float x[16];
  _mm512_store_ps(x, v);
  for (float& value : x) {
    if (activation == Activation::elu && !(value > 0)) value = expm1f(value);
    if (activation == Activation::gelu) value *= 0.5F * (1 + erff(value * 0.70710678F));
  }
  return _mm512_load_ps(x);
}

inline __m512 activate_slope(__m512 v, __m512 slope) {
  return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v, slope);
}

inline bool is_slow(Activation activation) { return activation == Activation::elu || activation == Activation::gelu; }

/// What relu and leaky_relu multiply negative values by, and what leaves them as they are.
inline float slope_of(Activation activation, float slope) {
  return activation == Activation::relu ? 0 : activation == Activation::leaky_relu ? slope : 1;
}

/// What is done to a stored value of the channels of a block.
struct Reader {
  __m512 scale, shift, slope;
  Activation activation;

  Reader(const Source& s, int channel)
      : scale(s.scale ? _mm512_loadu_ps(s.scale + channel) : _mm512_set1_ps(1)),
        shift(s.scale ? _mm512_loadu_ps(s.shift + channel) : _mm512_setzero_ps()),
        slope(s.activation == Activation::prelu ? _mm512_loadu_ps(s.slopes + channel)
                                                : _mm512_set1_ps(slope_of(s.activation, s.slope))),
        activation(s.activation) {}

  __m512 fast(__m512 v) const { return activate_slope(_mm512_fmadd_ps(v, scale, shift), slope); }
  __m512 slow(__m512 v) const { return activate_slowly(activation, _mm512_fmadd_ps(v, scale, shift)); }
  __m512 any(__m512 v) const { return is_slow(activation) ? slow(v) : fast(v); }
};

}  // namespace
}  // namespace oncotome::kernels
