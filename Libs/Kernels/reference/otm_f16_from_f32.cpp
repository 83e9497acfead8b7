// SPDX-License-Identifier: Apache-2.0
#include "../kernel_list.h"
#include "half.h"

void oncotome::kernels::otm_f16_from_f32__reference(const float* in, std::uint16_t* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = half_of_float(in[i]);
}
