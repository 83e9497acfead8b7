// SPDX-License-Identifier: Apache-2.0
#include "../winograd/convolution.h"
#include "math_bf16.h"

namespace oncotome::kernels {
namespace {

const char* declines(const ConvShape& shape) {
  if (shape.precision < Precision::bf16) return "more precision than bf16 is asked for";
  return declines_winograd(shape);
}

}  // namespace

extern const ConvKernel otm_bf16_winograd__avx512bf16;
const ConvKernel otm_bf16_winograd__avx512bf16 = {"otm_bf16_winograd",    "avx512bf16",        declines,
                                                  packed_winograd<Bf16>,  pack_winograd<Bf16>, tiles_winograd,
                                                  scratch_winograd<Bf16>, run_winograd<Bf16>};

}  // namespace oncotome::kernels
