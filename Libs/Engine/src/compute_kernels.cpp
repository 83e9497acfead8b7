// SPDX-License-Identifier: Apache-2.0
#include "compute_kernels.h"

#include "oncotome/core/error.h"

namespace oncotome::engine {

const kernels::Kernels& compute_kernels() {
  static const kernels::Kernels& chosen = []() -> const kernels::Kernels& {
    const kernels::Kernels* found = kernels::find_kernels(nullptr);
    if (!found)
      throw Error(ErrorCode::usage,
                  "ONCOTOME_FORCE_ISA is not an instruction set that this processor and this build have; use "
                  "reference, avx2, avx512, avx512vnni or avx512bf16, or leave it unset");
    return *found;
  }();
  return chosen;
}

}  // namespace oncotome::engine
