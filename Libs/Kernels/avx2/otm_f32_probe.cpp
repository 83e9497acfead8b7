// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "oncotome/kernels/probe.h"

namespace oncotome::kernels {

namespace {

constexpr int kSums = 12;  // enough to hide the latency, and few enough to stay in registers

void run(void* memory, std::size_t steps) {
  const __m256 half = _mm256_set1_ps(0.5F), one = _mm256_set1_ps(1);
  __m256 sums[kSums];
  for (__m256& sum : sums) sum = one;
  for (std::size_t s = 0; s < steps; ++s)
#pragma GCC unroll 16
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, half, one);
  for (int i = 1; i < kSums; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  _mm256_store_ps(static_cast<float*>(memory), sums[0]);
}

}  // namespace

extern const Probe otm_f32_probe__avx2;  // NOLINT(readability-identifier-naming)
const Probe otm_f32_probe__avx2 = {"f32", "avx2", kSums * 16, run};

}  // namespace oncotome::kernels
