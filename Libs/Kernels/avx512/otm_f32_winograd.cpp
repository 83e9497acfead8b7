// SPDX-License-Identifier: Apache-2.0
#include "winograd_convolution.h"

namespace oncotome::kernels {
namespace {

struct F32 {
  using Value = float;
  static constexpr int kStep = 1;

  static float round(float value) { return value; }
  static void put(float* to, __m512 value) { _mm512_store_ps(to, value); }
  static __m512 get(const float* from) { return _mm512_load_ps(from); }
  static __m512 spread(const float* from) { return _mm512_set1_ps(*from); }
  static __m512 multiply_add(__m512 value, __m512 weights, __m512 sum) { return _mm512_fmadd_ps(value, weights, sum); }
  static __m512 load(const void* from, std::size_t at, Element) {
    return _mm512_load_ps(static_cast<const float*>(from) + at);
  }
  static void store(__m512 value, void* to, std::size_t at, Element) {
    _mm512_store_ps(static_cast<float*>(to) + at, value);
  }
};

const char* declines(const ConvShape& shape) {
  if (shape.in_element != Element::f32 || shape.out_element != Element::f32) return "not float32";
  return declines_winograd(shape);
}

}  // namespace

extern const ConvKernel otm_f32_winograd__avx512;
const ConvKernel otm_f32_winograd__avx512 = {"otm_f32_winograd",    "avx512",           declines,
                                             packed_winograd<F32>,  pack_winograd<F32>, tiles_winograd,
                                             scratch_winograd<F32>, run_winograd<F32>};

}  // namespace oncotome::kernels
