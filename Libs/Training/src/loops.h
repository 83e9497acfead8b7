// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include "oncotome/core/error.h"
#include "oncotome/kernels/learning.h"

namespace oncotome::training {

/// The best ones here, or those that ONCOTOME_FORCE_ISA names; throws Error{usage} where there are none of that name.
inline const kernels::Learning& loops() {
  static const kernels::Learning* const found = kernels::find_learning(nullptr);
  if (found == nullptr)
    throw Error(ErrorCode::usage,
                "ONCOTOME_FORCE_ISA is not an instruction set that this processor and this build have");
  return *found;
}

/// Whether they take such values; ATen computes the others.
inline bool has_loops(const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat; }

}  // namespace oncotome::training
