// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string.h>

#include "../values.h"
#include "oncotome/kernels/bf16.h"

namespace oncotome::kernels {
namespace {

/// What sums of products are made of: bfloat16, two channels a step, summed in float.
struct Bf16 {
  using Value = std::uint16_t;
  static constexpr int kStep = 2;

  static std::uint16_t round(float value) { return bf16_from_f32(value); }
  static void put(std::uint16_t* to, __m512 value) { store_bf16(to, value); }
  static __m512 get(const std::uint16_t* from) { return _mm512_load_ps(from); }
  static __m512 spread(const std::uint16_t* from) {
    int pair;
    memcpy(&pair, from, sizeof pair);
    return _mm512_castsi512_ps(_mm512_set1_epi32(pair));
  }
  static __m512 multiply_add(__m512 value, __m512 weights, __m512 sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(value), reinterpret_cast<__m512bh>(weights));
  }
  static __m512 load(const void* from, std::size_t at, Element element) {
    return load_element(element, from, static_cast<std::int64_t>(at));
  }
  static void store(__m512 value, void* to, std::size_t at, Element element) {
    if (element == Element::f32) return _mm512_store_ps(static_cast<float*>(to) + at, value);
    put(static_cast<std::uint16_t*>(to) + at, value);
  }
};

}  // namespace
}  // namespace oncotome::kernels
