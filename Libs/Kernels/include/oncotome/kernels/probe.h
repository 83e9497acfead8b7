// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace oncotome::kernels {

/// Finds by doing nothing else what a core can do at best.
struct Probe {
  const char* what;  ///< "f32", "bf16", "int8": multiply-adds of these; "read", "write": of memory.
  const char* isa;
  double work;                                   ///< Of a step: operations, two a multiply-add, or bytes.
  void (*run)(void* memory, std::size_t steps);  ///< `memory` has 64 bytes for each step, and is aligned to them.
};

/// The best up to the instruction set `isa`, as conv_kernels() has it; null when there is none.
const Probe* find_probe(const char* what, const char* isa);

}  // namespace oncotome::kernels
