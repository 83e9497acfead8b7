// SPDX-License-Identifier: Apache-2.0
#include "../kernel_list.h"
#include "half.h"

void oncotome::kernels::otm_f64_interpolate__reference(const RowTaps& taps, bool to_half, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (int row = 0; row < 4; ++row) {
      const double first = taps.first[row / 2], second = taps.second[row % 2];
      if (first == 0 || second == 0) continue;
      const float* pair = taps.rows[row] + taps.column[i];
      sum += static_cast<double>(pair[0]) * first * second * taps.left[i];
      sum += static_cast<double>(pair[1]) * first * second * taps.right[i];
    }
    out[i] = to_half ? float_of_half(half_of_float(odd_float(sum))) : static_cast<float>(sum);
  }
}
