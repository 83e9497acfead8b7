// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../kernel_list.h"

void oncotome::kernels::otm_f16_from_f32__avx2(const float* in, std::uint16_t* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  otm_f16_from_f32__reference(in + i, out + i, n - i);
}
