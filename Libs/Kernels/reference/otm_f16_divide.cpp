// SPDX-License-Identifier: Apache-2.0
#include "../kernel_list.h"
#include "half.h"

bool oncotome::kernels::otm_f16_divide__reference(std::uint16_t* value, const std::uint16_t* by, std::size_t n) {
  bool finite = true;
  for (std::size_t i = 0; i < n; ++i) {
    value[i] = half_of_float(float_of_half(value[i]) / float_of_half(by[i]));
    finite = finite && (value[i] & 0x7C00U) != 0x7C00U;
  }
  return finite;
}
