// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../kernel_list.h"

bool oncotome::kernels::otm_f16_divide__avx2(std::uint16_t* value, const std::uint16_t* by, std::size_t n) {
  const __m128i exponent = _mm_set1_epi16(0x7C00);
  __m128i bad = _mm_setzero_si128();
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    auto* at = reinterpret_cast<__m128i*>(value + i);
    const __m256 divisor = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(by + i)));
    const __m256 quotient = _mm256_div_ps(_mm256_cvtph_ps(_mm_loadu_si128(at)), divisor);
    const __m128i half = _mm256_cvtps_ph(quotient, _MM_FROUND_TO_NEAREST_INT);
    bad = _mm_or_si128(bad, _mm_cmpeq_epi16(_mm_and_si128(half, exponent), exponent));
    _mm_storeu_si128(at, half);
  }
  return otm_f16_divide__reference(value + i, by + i, n - i) && _mm_movemask_epi8(bad) == 0;
}
