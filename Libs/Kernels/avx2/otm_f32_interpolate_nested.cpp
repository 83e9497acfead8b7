// SPDX-License-Identifier: Apache-2.0
#include "../kernel_list.h"
#include "row_pairs.h"

namespace oncotome::kernels {

namespace {

inline __m128 lerp(__m128 a, __m128 weight_a, __m128 b, __m128 weight_b) {
  return _mm_fmadd_ps(a, weight_a, _mm_mul_ps(b, weight_b));
}

inline __m128 four(const RowTaps& taps, const std::int32_t* column, const double* l, const double* r) {
  const __m128 left = _mm256_cvtpd_ps(_mm256_loadu_pd(l)), right = _mm256_cvtpd_ps(_mm256_loadu_pd(r));
  const auto weight = [](double value) { return _mm_set1_ps(static_cast<float>(value)); };
  const auto across = [&](int row) {
    const RowPairs a = load_pairs(taps.rows[row], column), b = load_pairs(taps.rows[row + 1], column);
    return lerp(lerp(a.left, left, a.right, right), weight(taps.second[0]), lerp(b.left, left, b.right, right),
                weight(taps.second[1]));
  };
  return lerp(across(0), weight(taps.first[0]), across(2), weight(taps.first[1]));
}

}  // namespace

void otm_f32_interpolate_nested__avx2(const RowTaps& taps, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) _mm_storeu_ps(out + i, four(taps, taps.column + i, taps.left + i, taps.right + i));
  if (i == n) return;
  const LastFour last(taps.column + i, taps.left + i, taps.right + i, n - i);
  float rest[4];
  _mm_storeu_ps(rest, four(taps, last.column, last.left, last.right));
  for (std::size_t k = 0; i < n; ++i, ++k) out[i] = rest[k];
}

}  // namespace oncotome::kernels
