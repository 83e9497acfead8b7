// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "instruction_set.h"
#include "oncotome/kernels/probe.h"

namespace oncotome::kernels {

// NOLINTBEGIN(readability-identifier-naming): a kernel's name says its types and its instruction set.
extern const Probe otm_read_probe__reference, otm_write_probe__reference;
#ifdef ONCOTOME_AVX2
extern const Probe otm_f32_probe__avx2, otm_f32_probe__avx512, otm_int8_probe__avx512vnni, otm_bf16_probe__avx512bf16;
#endif
// NOLINTEND(readability-identifier-naming)

namespace {

constexpr const Probe* kProbes[] = {
#ifdef ONCOTOME_AVX2
    &otm_bf16_probe__avx512bf16, &otm_int8_probe__avx512vnni, &otm_f32_probe__avx512, &otm_f32_probe__avx2,
#endif
    &otm_read_probe__reference,  &otm_write_probe__reference};

}  // namespace

const Probe* find_probe(const char* what, const char* isa) {
  const int set = find_instruction_set(isa);
  if (!has_instruction_set(set)) return nullptr;
  for (const Probe* probe : kProbes)
    if (std::strcmp(probe->what, what) == 0 && find_instruction_set(probe->isa) <= set) return probe;
  return nullptr;
}

}  // namespace oncotome::kernels
