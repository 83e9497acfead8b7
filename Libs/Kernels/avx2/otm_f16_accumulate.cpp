// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../kernel_list.h"

void oncotome::kernels::otm_f16_accumulate__avx2(std::uint16_t* sum, const float* value, const float* weight,
                                                 std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    auto* at = reinterpret_cast<__m128i*>(sum + i);
    const __m256 product = _mm256_mul_ps(_mm256_loadu_ps(value + i), _mm256_loadu_ps(weight + i));
    const __m256 total = _mm256_add_ps(_mm256_cvtph_ps(_mm_loadu_si128(at)), product);
    _mm_storeu_si128(at, _mm256_cvtps_ph(total, _MM_FROUND_TO_NEAREST_INT));
  }
  otm_f16_accumulate__reference(sum + i, value + i, weight + i, n - i);
}
