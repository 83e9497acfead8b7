// SPDX-License-Identifier: Apache-2.0
#include "../kernel_list.h"
#include "half.h"

void oncotome::kernels::otm_f16_accumulate__reference(std::uint16_t* sum, const float* value, const float* weight,
                                                      std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) sum[i] = half_of_float(float_of_half(sum[i]) + value[i] * weight[i]);
}
