// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <iterator>

#include "oncotome/kernels/convolution.h"

namespace oncotome::kernels {

// NOLINTBEGIN(readability-identifier-naming): a kernel's name says its types and its instruction set.
#define ONCOTOME_CONVOLUTION(isa, name) extern const ConvKernel name##__##isa;
#include "convolution_list.h"
#undef ONCOTOME_CONVOLUTION
// NOLINTEND(readability-identifier-naming)

namespace {

#define ONCOTOME_CONVOLUTION(isa, name) &name##__##isa,
constexpr const ConvKernel* kAll[] = {
#include "convolution_list.h"
    nullptr};
#undef ONCOTOME_CONVOLUTION

/// Each set has what those before it have.
constexpr const char* kSets[] = {"reference", "avx2", "avx512", "avx512bf16"};
constexpr int kSetCount = static_cast<int>(std::size(kSets));

int level(const char* isa) {
  int set = 0;
  while (set < kSetCount && std::strcmp(isa, kSets[set]) != 0) ++set;
  return set;
}

int best_level() {
#ifdef ONCOTOME_AVX2
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
    return 1;
  return __builtin_cpu_supports("avx512bf16") ? 3 : 2;
#else
  return 0;
#endif
}

struct Lists {
  const ConvKernel* of[kSetCount + 1][std::size(kAll)] = {};
  int best = best_level();

  Lists() {
    for (int set = 0; set <= best; ++set) {
      int count = 0;
      for (const ConvKernel* kernel : kAll)
        if (kernel && level(kernel->isa) <= set) of[set][count++] = kernel;
    }
  }
};

}  // namespace

const ConvKernel* const* conv_kernels(const char* isa) {
  static const Lists lists;
  return lists.of[isa ? level(isa) : lists.best];
}

const ConvKernel* choose_conv_kernel(const ConvKernel* const* candidates, const ConvShape& shape) {
  while (*candidates && (*candidates)->declines(shape)) ++candidates;
  return *candidates;
}

}  // namespace oncotome::kernels
