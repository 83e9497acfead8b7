// SPDX-License-Identifier: Apache-2.0
#include "../math_f32.h"
#include "../winograd/convolution.h"

namespace oncotome::kernels {

extern const ConvKernel otm_f32_winograd__avx512;
const ConvKernel otm_f32_winograd__avx512 = {"otm_f32_winograd",    "avx512",           declines_f32_winograd,
                                             packed_winograd<F32>,  pack_winograd<F32>, tiles_winograd,
                                             scratch_winograd<F32>, run_winograd<F32>};

}  // namespace oncotome::kernels
