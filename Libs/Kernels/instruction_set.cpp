// SPDX-License-Identifier: Apache-2.0
#include "instruction_set.h"

#include <cstdlib>
#include <cstring>

#ifdef ONCOTOME_AVX2
#include <cpuid.h>
#endif

namespace oncotome::kernels {

namespace {

int best_set() {
#ifdef ONCOTOME_AVX2
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool converts_halves = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  if (!converts_halves || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
    return 1;
  if (!__builtin_cpu_supports("avx512vnni")) return 2;
  return __builtin_cpu_supports("avx512bf16") ? 4 : 3;
#else
  return 0;
#endif
}

}  // namespace

int find_instruction_set(const char* name) {
  if (!name) name = std::getenv("ONCOTOME_FORCE_ISA");
  if (!name) return best_set();
  int set = 0;
  while (set < kInstructionSetCount && std::strcmp(name, kInstructionSets[set]) != 0) ++set;
  return set;
}

bool has_instruction_set(int set) { return set <= best_set(); }

}  // namespace oncotome::kernels
