// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace oncotome::bench {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Free>;

/// Aligned to 64 bytes; written, for what never was costs nothing to read, with floats that are not numbers.
inline Memory allocate(std::size_t bytes) {
  const std::size_t whole = (bytes + 64) / 64 * 64;
  Memory memory(std::aligned_alloc(64, whole));
  if (!memory) throw std::bad_alloc();
  std::memset(memory.get(), 0xFF, whole);
  return memory;
}

}  // namespace oncotome::bench
