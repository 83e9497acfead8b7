// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace oncotome::kernels {

/// Each set has what those before it have.
constexpr const char* kInstructionSets[] = {"reference", "avx2", "avx512", "avx512vnni", "avx512bf16"};
constexpr int kInstructionSetCount = 5;

/// Which of the sets has that name, or kInstructionSetCount; for null the one that ONCOTOME_FORCE_ISA names, or where
/// that is not set the best one that this processor and this build have.
int find_instruction_set(const char* name);

/// Whether this processor and this build have it.
bool has_instruction_set(int set);

}  // namespace oncotome::kernels
