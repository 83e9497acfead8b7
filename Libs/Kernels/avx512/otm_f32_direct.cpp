// SPDX-License-Identifier: Apache-2.0
#include "../direct/convolution.h"
#include "../math_f32.h"

namespace oncotome::kernels {

extern const ConvKernel otm_f32_direct__avx512;
const ConvKernel otm_f32_direct__avx512 = {"otm_f32_direct", "avx512",          direct_declines,     packed_direct<F32>,
                                           pack_direct<F32>, tiles_direct<F32>, scratch_direct<F32>, run_direct<F32>};

}  // namespace oncotome::kernels
