// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../kernel_list.h"

void oncotome::kernels::otm_f32_top_two__avx2(const float* values, std::size_t stride, std::int32_t rows, std::size_t n,
                                              float* best, float* second, std::int32_t* row) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 greatest = _mm256_loadu_ps(values + i), next = _mm256_set1_ps(-__builtin_inff());
    __m256i at = _mm256_setzero_si256();
    for (std::int32_t r = 1; r < rows; ++r) {
      const __m256 value = _mm256_loadu_ps(values + static_cast<std::size_t>(r) * stride + i);
      const __m256 above = _mm256_cmp_ps(value, greatest, _CMP_GT_OQ);
      next = _mm256_max_ps(_mm256_min_ps(value, greatest), next);
      at = _mm256_blendv_epi8(at, _mm256_set1_epi32(r), _mm256_castps_si256(above));
      greatest = _mm256_max_ps(value, greatest);
    }
    _mm256_storeu_ps(best + i, greatest);
    _mm256_storeu_ps(second + i, next);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row + i), at);
  }
  otm_f32_top_two__reference(values + i, stride, rows, n - i, best + i, second + i, row + i);
}
