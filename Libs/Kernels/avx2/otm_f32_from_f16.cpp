// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../kernel_list.h"

void oncotome::kernels::otm_f32_from_f16__avx2(const std::uint16_t* in, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  otm_f32_from_f16__reference(in + i, out + i, n - i);
}
