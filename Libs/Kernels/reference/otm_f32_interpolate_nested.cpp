// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "../kernel_list.h"

void oncotome::kernels::otm_f32_interpolate_nested__reference(const RowTaps& taps, float* out, std::size_t n) {
  const float first[2] = {static_cast<float>(taps.first[0]), static_cast<float>(taps.first[1])};
  const float second[2] = {static_cast<float>(taps.second[0]), static_cast<float>(taps.second[1])};
  for (std::size_t i = 0; i < n; ++i) {
    const auto left = static_cast<float>(taps.left[i]), right = static_cast<float>(taps.right[i]);
    const auto along_row = [&](int row) {
      const float* pair = taps.rows[row] + taps.column[i];
      return std::fma(pair[0], left, pair[1] * right);
    };
    const auto across = [&](int row) { return std::fma(along_row(row), second[0], along_row(row + 1) * second[1]); };
    out[i] = std::fma(across(0), first[0], across(2) * first[1]);
  }
}
