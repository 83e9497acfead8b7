// SPDX-License-Identifier: Apache-2.0
#include "../math_f32.h"
#include "winograd_convolution.h"

namespace oncotome::kernels {
namespace {

const char* declines(const ConvShape& shape) {
  if (shape.in_element != Element::f32 || shape.out_element != Element::f32) return "not float32";
  return declines_winograd(shape);
}

}  // namespace

extern const ConvKernel otm_f32_winograd__avx512;
const ConvKernel otm_f32_winograd__avx512 = {"otm_f32_winograd",    "avx512",           declines,
                                             packed_winograd<F32>,  pack_winograd<F32>, tiles_winograd,
                                             scratch_winograd<F32>, run_winograd<F32>};

}  // namespace oncotome::kernels
