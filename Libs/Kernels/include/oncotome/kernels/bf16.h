// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

// Static, for kernels include this: no copy made for one instruction set may be linked for another.
namespace oncotome::kernels {

/// Rounded to nearest, ties to even; what is not a number stays so.
static inline std::uint16_t bf16_from_f32(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  bits = value == value ? bits + 0x7FFF + (bits >> 16 & 1) : bits | 0x400000;
  return static_cast<std::uint16_t>(bits >> 16);
}

static inline float f32_from_bf16(std::uint16_t half) {
  const std::uint32_t bits = std::uint32_t{half} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace oncotome::kernels
