// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "../kernel_list.h"

void oncotome::kernels::otm_f32_top_two__reference(const float* values, std::size_t stride, std::int32_t rows,
                                                   std::size_t n, float* best, float* second, std::int32_t* row) {
  for (std::size_t i = 0; i < n; ++i) {
    best[i] = values[i];
    second[i] = -std::numeric_limits<float>::infinity();
    row[i] = 0;
  }
  for (std::int32_t r = 1; r < rows; ++r)
    for (std::size_t i = 0; i < n; ++i) {
      const float value = values[static_cast<std::size_t>(r) * stride + i];
      const float smaller = value < best[i] ? value : best[i];
      if (smaller > second[i]) second[i] = smaller;
      if (value > best[i]) {
        best[i] = value;
        row[i] = r;
      }
    }
}
