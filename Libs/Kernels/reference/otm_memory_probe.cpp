// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "oncotome/kernels/probe.h"

namespace oncotome::kernels {

namespace {

constexpr std::size_t kWords = 8;  // of a step

void read(void* memory, std::size_t steps) {
  std::uint64_t* const words = static_cast<std::uint64_t*>(memory);
  std::uint64_t sums[kWords] = {};
  for (std::size_t s = 0; s < steps; ++s)
    for (std::size_t i = 0; i < kWords; ++i) sums[i] += words[s * kWords + i];
  for (std::size_t i = 0; i < kWords; ++i) words[i] = sums[i];
}

void write(void* memory, std::size_t steps) {
  std::uint64_t* const words = static_cast<std::uint64_t*>(memory);
  for (std::size_t i = 0; i < steps * kWords; ++i) words[i] = i;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming)
extern const Probe otm_read_probe__reference, otm_write_probe__reference;
const Probe otm_read_probe__reference = {"read", "reference", 64, read};
const Probe otm_write_probe__reference = {"write", "reference", 64, write};
// NOLINTEND(readability-identifier-naming)

}  // namespace oncotome::kernels
