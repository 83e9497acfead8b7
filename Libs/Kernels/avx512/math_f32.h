// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "values.h"

namespace oncotome::kernels {
namespace {

/// What sums of products are made of: float, one channel a step.
struct F32 {
  using Value = float;
  static constexpr int kStep = 1;

  static float round(float value) { return value; }
  static void put(float* to, __m512 value) { _mm512_storeu_ps(to, value); }
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

}  // namespace
}  // namespace oncotome::kernels
