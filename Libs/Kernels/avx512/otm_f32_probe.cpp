// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../probe_loop.h"

namespace oncotome::kernels {

namespace {

struct Math {
  using Vector = __m512;

  static Vector begin() { return _mm512_set1_ps(1); }
  static Vector step(Vector sum) { return _mm512_fmadd_ps(sum, _mm512_set1_ps(0.5F), _mm512_set1_ps(1)); }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static void store(void* to, Vector sum) { _mm512_store_ps(to, sum); }
};

constexpr int kSums = 16;

}  // namespace

extern const Probe otm_f32_probe__avx512;  // NOLINT(readability-identifier-naming)
const Probe otm_f32_probe__avx512 = {"f32", "avx512", kSums * 32, run_probe<Math, kSums>};

}  // namespace oncotome::kernels
