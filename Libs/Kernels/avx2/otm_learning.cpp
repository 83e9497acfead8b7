// SPDX-License-Identifier: Apache-2.0
#include "../learning_loops.h"

namespace oncotome::kernels {

extern const Learning otm_learning__avx2;  // NOLINT(readability-identifier-naming)
const Learning otm_learning__avx2 = {"avx2", moments, normalize, gradient_moments, gradient, adamw};

}  // namespace oncotome::kernels
