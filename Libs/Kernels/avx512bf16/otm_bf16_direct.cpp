// SPDX-License-Identifier: Apache-2.0
#include "../direct/convolution.h"
#include "math_bf16.h"

namespace oncotome::kernels {
namespace {

const char* declines(const ConvShape& s) {
  if (s.precision != Precision::bf16 && s.precision != Precision::int8) return "more precision than bf16 is asked for";
  if (s.in_layout == Layout::blocked && s.in_channels() <= 8) return "too few channels to gain by bf16";
  return direct_declines(s);
}

}  // namespace

extern const ConvKernel otm_bf16_direct__avx512bf16;
const ConvKernel otm_bf16_direct__avx512bf16 = {"otm_bf16_direct",    "avx512bf16",      declines,
                                                packed_direct<Bf16>,  pack_direct<Bf16>, tiles_direct<Bf16>,
                                                scratch_direct<Bf16>, run_direct<Bf16>};

}  // namespace oncotome::kernels
