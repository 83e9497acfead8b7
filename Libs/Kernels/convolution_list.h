// SPDX-License-Identifier: Apache-2.0
// The convolutions, best first; to be included with ONCOTOME_CONVOLUTION(isa, name) defined. CMake reads the lines too.
#ifdef ONCOTOME_AVX2
ONCOTOME_CONVOLUTION(avx512bf16, otm_bf16_winograd)
ONCOTOME_CONVOLUTION(avx512vnni, otm_int8_direct)
ONCOTOME_CONVOLUTION(avx512bf16, otm_bf16_direct)
ONCOTOME_CONVOLUTION(avx512, otm_f32_winograd)
ONCOTOME_CONVOLUTION(avx512, otm_f32_direct)
ONCOTOME_CONVOLUTION(avx2, otm_f32_winograd)
ONCOTOME_CONVOLUTION(avx2, otm_f32_direct)
#endif
ONCOTOME_CONVOLUTION(reference, otm_f32_conv)
