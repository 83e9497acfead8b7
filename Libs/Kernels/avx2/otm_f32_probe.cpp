// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../probe_loop.h"

namespace oncotome::kernels {

namespace {

struct Math {
  using Vector = __m256;

  static Vector begin() { return _mm256_set1_ps(1); }
  static Vector step(Vector sum) { return _mm256_fmadd_ps(sum, _mm256_set1_ps(0.5F), _mm256_set1_ps(1)); }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static void store(void* to, Vector sum) { _mm256_store_ps(static_cast<float*>(to), sum); }
};

constexpr int kSums = 12;

}  // namespace

extern const Probe otm_f32_probe__avx2;  // NOLINT(readability-identifier-naming)
const Probe otm_f32_probe__avx2 = {"f32", "avx2", kSums * 16, run_probe<Math, kSums>};

}  // namespace oncotome::kernels
