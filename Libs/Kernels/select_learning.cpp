// SPDX-License-Identifier: Apache-2.0
#include "instruction_set.h"
#include "oncotome/kernels/learning.h"

namespace oncotome::kernels {

// NOLINTBEGIN(readability-identifier-naming): a kernel's name says its types and its instruction set.
extern const Learning otm_learning__reference;
#ifdef ONCOTOME_AVX2
extern const Learning otm_learning__avx2, otm_learning__avx512;
#endif
// NOLINTEND(readability-identifier-naming)

const Learning* find_learning(const char* isa) {
  const int set = find_instruction_set(isa);
  if (!has_instruction_set(set)) return nullptr;
#ifdef ONCOTOME_AVX2
  if (set > 0) return set == 1 ? &otm_learning__avx2 : &otm_learning__avx512;
#endif
  return &otm_learning__reference;
}

}  // namespace oncotome::kernels
