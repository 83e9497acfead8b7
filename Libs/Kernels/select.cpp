// SPDX-License-Identifier: Apache-2.0
#ifdef ONCOTOME_AVX2
#include <cpuid.h>
#endif

#include <cstring>

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

bool has_avx2() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool converts_halves = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  return converts_halves && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

}  // namespace

const Kernels* find_kernels(const char* isa) {
#ifdef ONCOTOME_AVX2
  if ((!isa || std::strcmp(isa, kAvx2.isa) == 0) && has_avx2()) return &kAvx2;
#endif
  return !isa || std::strcmp(isa, kReference.isa) == 0 ? &kReference : nullptr;
}

}  // namespace oncotome::kernels
