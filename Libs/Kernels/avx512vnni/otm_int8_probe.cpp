// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "../probe_loop.h"

namespace oncotome::kernels {

namespace {

struct Math {
  using Vector = __m512i;

  static Vector begin() { return _mm512_setzero_si512(); }
  static Vector step(Vector sum) { return _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), _mm512_set1_epi8(1)); }
  static Vector add(Vector a, Vector b) { return _mm512_add_epi32(a, b); }
  static void store(void* to, Vector sum) { _mm512_store_si512(to, sum); }
};

constexpr int kSums = 16;

}  // namespace

extern const Probe otm_int8_probe__avx512vnni;  // NOLINT(readability-identifier-naming)
const Probe otm_int8_probe__avx512vnni = {"int8", "avx512vnni", kSums * 128, run_probe<Math, kSums>};

}  // namespace oncotome::kernels
