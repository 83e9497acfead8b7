// SPDX-License-Identifier: Apache-2.0
#include "instruction_set.h"
#include "kernel_list.h"

namespace oncotome::kernels {

namespace {

#define ONCOTOME_KERNELS(ISA)                                                                                 \
  {                                                                                                           \
#ISA, otm_f32_from_f16__##ISA, otm_f16_from_f32__##ISA, otm_f16_accumulate__##ISA, otm_f16_divide__##ISA, \
        otm_f64_interpolate__##ISA, otm_f32_interpolate_nested__##ISA, otm_f32_top_two__##ISA                 \
  }

constexpr Kernels kReference = ONCOTOME_KERNELS(reference);

#ifdef ONCOTOME_AVX2
constexpr Kernels kAvx2 = ONCOTOME_KERNELS(avx2);
#endif

}  // namespace

const Kernels* find_kernels(const char* isa) {
  const int set = find_instruction_set(isa);
  if (!has_instruction_set(set)) return nullptr;
#ifdef ONCOTOME_AVX2
  if (set > 0) return &kAvx2;
#endif
  return &kReference;
}

}  // namespace oncotome::kernels
