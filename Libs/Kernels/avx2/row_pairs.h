// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace oncotome::kernels {
namespace {

/// Of four places in a row, the value there and the one after it.
struct RowPairs {
  __m128 left, right;
};

inline RowPairs load_pairs(const float* row, const std::int32_t* column) {
  const auto pair = [row](std::int32_t at) { return reinterpret_cast<const __m64*>(row + at); };
  const __m128 low = _mm_loadh_pi(_mm_loadl_pi(_mm_setzero_ps(), pair(column[0])), pair(column[1]));
  const __m128 high = _mm_loadh_pi(_mm_loadl_pi(_mm_setzero_ps(), pair(column[2])), pair(column[3]));
  return {_mm_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0)), _mm_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1))};
}

/// Where the last, incomplete four of n values go on: everything the four lanes read, with the rest a repetition.
struct LastFour {
  std::int32_t column[4];
  double left[4], right[4];

  LastFour(const std::int32_t* c, const double* l, const double* r, std::size_t n) {
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t from = i < n ? i : n - 1;
      column[i] = c[from];
      left[i] = l[from];
      right[i] = r[from];
    }
  }
};

}  // namespace
}  // namespace oncotome::kernels
