// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../probe_loop.h"

namespace oncotome::kernels {

namespace {

struct Math {
  using Vector = __m512;

  static Vector begin() { return _mm512_setzero_ps(); }
  static Vector step(Vector sum) {
    const auto halves = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3F003F00));
    return _mm512_dpbf16_ps(sum, halves, halves);
  }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static void store(void* to, Vector sum) { _mm512_store_ps(to, sum); }
};

constexpr int kSums = 16;

}  // namespace

extern const Probe otm_bf16_probe__avx512bf16;  // NOLINT(readability-identifier-naming)
const Probe otm_bf16_probe__avx512bf16 = {"bf16", "avx512bf16", kSums * 64, run_probe<Math, kSums>};

}  // namespace oncotome::kernels
