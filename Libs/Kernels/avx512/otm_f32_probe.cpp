// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "oncotome/kernels/probe.h"

namespace oncotome::kernels {

namespace {

constexpr int kSums = 16;  // enough to hide the latency, and few enough to stay in registers

void run(void* memory, std::size_t steps) {
  const __m512 half = _mm512_set1_ps(0.5F), one = _mm512_set1_ps(1);
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = one;
  for (std::size_t s = 0; s < steps; ++s)
#pragma GCC unroll 16
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, half, one);
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  _mm512_store_ps(memory, sums[0]);
}

}  // namespace

extern const Probe otm_f32_probe__avx512;  // NOLINT(readability-identifier-naming)
const Probe otm_f32_probe__avx512 = {"f32", "avx512", kSums * 32, run};

}  // namespace oncotome::kernels
