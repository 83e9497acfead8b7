// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/kernels/kernels.h"

// NOLINTBEGIN(readability-identifier-naming): a kernel's name says its types and its instruction set.
#define ONCOTOME_DECLARE_KERNELS(ISA)                                                                                 \
  void otm_f32_from_f16__##ISA(const std::uint16_t* in, float* out, std::size_t n);                                   \
  void otm_f16_from_f32__##ISA(const float* in, std::uint16_t* out, std::size_t n);                                   \
  void otm_f16_accumulate__##ISA(std::uint16_t* sum, const float* value, const float* weight, std::size_t n);         \
  bool otm_f16_divide__##ISA(std::uint16_t* value, const std::uint16_t* by, std::size_t n);                           \
  void otm_f64_interpolate__##ISA(const RowTaps& taps, bool to_half, float* out, std::size_t n);                      \
  void otm_f32_interpolate_nested__##ISA(const RowTaps& taps, float* out, std::size_t n);                             \
  void otm_f32_top_two__##ISA(const float* values, std::size_t stride, std::int32_t rows, std::size_t n, float* best, \
                              float* second, std::int32_t* row);

namespace oncotome::kernels {
ONCOTOME_DECLARE_KERNELS(reference)
#ifdef ONCOTOME_AVX2
ONCOTOME_DECLARE_KERNELS(avx2)
#endif
}  // namespace oncotome::kernels
// NOLINTEND(readability-identifier-naming)
