// SPDX-License-Identifier: Apache-2.0
#include "../kernel_list.h"
#include "row_pairs.h"

namespace oncotome::kernels {

namespace {

/// Rounds to half once: cut to a float's 24 bits, with a trace of what was cut, then rounded.
inline __m128 round_to_half(__m256d value) {
  const __m256i bits = _mm256_castpd_si256(value), cut = _mm256_set1_epi64x((1LL << 29) - 1);
  const __m256i none = _mm256_cmpeq_epi64(_mm256_and_si256(bits, cut), _mm256_setzero_si256());
  const __m256i trace = _mm256_andnot_si256(none, _mm256_set1_epi64x(1LL << 29));
  const __m256i odd = _mm256_or_si256(_mm256_andnot_si256(cut, bits), trace);
  const __m128 value_in_float = _mm256_cvtpd_ps(_mm256_castsi256_pd(odd));
  return _mm_cvtph_ps(_mm_cvtps_ph(value_in_float, _MM_FROUND_TO_NEAREST_INT));
}

inline __m128 four(const RowTaps& taps, bool to_half, const std::int32_t* column, const double* l, const double* r) {
  const __m256d left = _mm256_loadu_pd(l), right = _mm256_loadu_pd(r);
  __m256d sum = _mm256_setzero_pd();
  for (int row = 0; row < 4; ++row) {
    if (taps.first[row / 2] == 0 || taps.second[row % 2] == 0) continue;
    const __m256d first = _mm256_set1_pd(taps.first[row / 2]), second = _mm256_set1_pd(taps.second[row % 2]);
    const RowPairs pairs = load_pairs(taps.rows[row], column);
    const auto weighed = [&](__m128 values, __m256d last) {
      return _mm256_mul_pd(_mm256_mul_pd(_mm256_mul_pd(_mm256_cvtps_pd(values), first), second), last);
    };
    sum = _mm256_add_pd(sum, weighed(pairs.left, left));
    sum = _mm256_add_pd(sum, weighed(pairs.right, right));
  }
  return to_half ? round_to_half(sum) : _mm256_cvtpd_ps(sum);
}

}  // namespace

void otm_f64_interpolate__avx2(const RowTaps& taps, bool to_half, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4)
    _mm_storeu_ps(out + i, four(taps, to_half, taps.column + i, taps.left + i, taps.right + i));
  if (i == n) return;
  const LastFour last(taps.column + i, taps.left + i, taps.right + i, n - i);
  float rest[4];
  _mm_storeu_ps(rest, four(taps, to_half, last.column, last.left, last.right));
  for (std::size_t k = 0; i < n; ++i, ++k) out[i] = rest[k];
}

}  // namespace oncotome::kernels
