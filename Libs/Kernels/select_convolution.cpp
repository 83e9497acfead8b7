// SPDX-License-Identifier: Apache-2.0
#include <iterator>

#include "instruction_set.h"
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
};
#undef ONCOTOME_CONVOLUTION

/// Null-ended candidates of each set; of none for those that this processor lacks and for the unknown one.
struct Candidates {
  const ConvKernel* of[kInstructionSetCount + 1][std::size(kAll) + 1] = {};

  Candidates() {
    for (int set = 0; set < kInstructionSetCount && has_instruction_set(set); ++set) {
      int count = 0;
      for (const ConvKernel* kernel : kAll)
        if (find_instruction_set(kernel->isa) <= set) of[set][count++] = kernel;
    }
  }
};

}  // namespace

const ConvKernel* const* conv_kernels(const char* isa) {
  static const Candidates candidates;
  return candidates.of[find_instruction_set(isa)];
}

const ConvKernel* choose_conv_kernel(const ConvKernel* const* candidates, const ConvShape& shape) {
  while (*candidates && (*candidates)->declines(shape)) ++candidates;
  return *candidates;
}

}  // namespace oncotome::kernels
