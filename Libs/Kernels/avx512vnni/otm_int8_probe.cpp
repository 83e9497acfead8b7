// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "oncotome/kernels/probe.h"

namespace oncotome::kernels {

namespace {

constexpr int kSums = 16;  // enough to hide the latency, and few enough to stay in registers

void run(void* memory, std::size_t steps) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sums[kSums];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (std::size_t s = 0; s < steps; ++s)
#pragma GCC unroll 16
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, ones, ones);
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  _mm512_store_si512(memory, sums[0]);
}

}  // namespace

extern const Probe otm_int8_probe__avx512vnni;  // NOLINT(readability-identifier-naming)
const Probe otm_int8_probe__avx512vnni = {"int8", "avx512vnni", kSums * 128, run};

}  // namespace oncotome::kernels
