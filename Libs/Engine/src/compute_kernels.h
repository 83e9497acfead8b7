// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/kernels/kernels.h"

namespace oncotome::engine {

/// The best kernels here, or those that ONCOTOME_FORCE_ISA names; throws Error{usage} when there are none of that name.
const kernels::Kernels& compute_kernels();

}  // namespace oncotome::engine
