// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "oncotome/kernels/probe.h"

namespace oncotome::kernels {

namespace {

constexpr int kSums = 16;  // enough to hide the latency, and few enough to stay in registers

void run(void* memory, std::size_t steps) {
  const __m512bh halves = (__m512bh)_mm512_set1_epi32(0x3F003F00);
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (std::size_t s = 0; s < steps; ++s)
#pragma GCC unroll 16
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, halves, halves);
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  _mm512_store_ps(memory, sums[0]);
}

}  // namespace

extern const Probe otm_bf16_probe__avx512bf16;  // NOLINT(readability-identifier-naming)
const Probe otm_bf16_probe__avx512bf16 = {"bf16", "avx512bf16", kSums * 64, run};

}  // namespace oncotome::kernels
