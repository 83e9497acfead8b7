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
  template <class Part>
  static void put(float* to, Part value) {
    store_lanes(to, value);
  }
  static Lanes get(const float* from) { return load_lanes(from); }
  static Lanes spread(const float* from) { return spread_lanes(*from); }
  static Lanes multiply_add(Lanes value, Lanes weights, Lanes sum) {
    return kernels::multiply_add(value, weights, sum);
  }
  static Lanes load(const void* from, std::size_t at, Element) {
    return load_lanes(static_cast<const float*>(from) + at);
  }
  static void store(Lanes value, void* to, std::size_t at, Element) {
    store_lanes(static_cast<float*>(to) + at, value);
  }
};

}  // namespace
}  // namespace oncotome::kernels
