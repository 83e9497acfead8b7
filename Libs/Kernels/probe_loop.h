// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/kernels/probe.h"

namespace oncotome::kernels {
namespace {

/// Probe::run of arithmetic. kSums is enough to hide the latency, and few enough to stay in registers. `Math` has a
/// Vector and how one begins, how a step changes it, how two are added and how it is stored.
template <class Math, int kSums>
void run_probe(void* memory, std::size_t steps) {
  typename Math::Vector sums[kSums];
  for (auto& sum : sums) sum = Math::begin();
  for (std::size_t s = 0; s < steps; ++s) {
#pragma GCC unroll 16
    for (auto& sum : sums) sum = Math::step(sum);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = Math::add(sums[0], sums[i]);
  Math::store(memory, sums[0]);
}

}  // namespace
}  // namespace oncotome::kernels
