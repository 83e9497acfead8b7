// SPDX-License-Identifier: Apache-2.0
#include "../pointwise_loops.h"

namespace oncotome::kernels {

extern const Pointwise otm_pointwise__avx512;  // NOLINT(readability-identifier-naming)
const Pointwise otm_pointwise__avx512 = {"avx512", combine, block, unblock, pool, upsample, softmax};

}  // namespace oncotome::kernels
