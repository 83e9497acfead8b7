// SPDX-License-Identifier: Apache-2.0
#include "../kernel_list.h"
#include "half.h"

void oncotome::kernels::otm_f32_from_f16__reference(const std::uint16_t* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = float_of_half(in[i]);
}
