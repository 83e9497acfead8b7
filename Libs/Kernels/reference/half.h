// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

namespace oncotome::kernels {

inline float float_of_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16, exponent = (half >> 10) & 31U;
  std::uint32_t mantissa = half & 0x3FFU, bits = 0;
  if (exponent == 0) {
    // A subnormal is mantissa * 2^-24, exact in float.
    const float value = static_cast<float>(mantissa) * 0x1p-24F;
    std::memcpy(&bits, &value, sizeof bits);
  } else {
    bits = (exponent == 31 ? 255U : exponent + 112U) << 23 | mantissa << 13;
  }
  bits |= sign;
  float out = 0;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

inline std::uint16_t half_of_float(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  bits &= 0x7FFFFFFFU;
  std::uint32_t out = 0;
  if (bits > 0x7F800000U) {
    out = 0x7E00U;
  } else if (bits >= 0x477FF000U) {  // 65520 and more round to infinity
    out = 0x7C00U;
  } else if (bits >= 0x38800000U) {  // normal: the carry of the rounding may go up into the exponent
    out = (bits - 0x38000000U + 0xFFFU + (bits >> 13 & 1U)) >> 13;
  } else {
    // In units of the least subnormal; adding 2^23 rounds to a whole number.
    float magnitude = 0;
    std::memcpy(&magnitude, &bits, sizeof magnitude);
    const float rounded = magnitude * 0x1p24F + 0x1p23F;
    std::memcpy(&out, &rounded, sizeof out);
    out -= 0x4B000000U;
  }
  return static_cast<std::uint16_t>(sign | out);
}

/// Cuts a double to a float's 24 bits and keeps a trace of what was cut, so that rounding that once more rounds once.
inline float odd_float(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  constexpr std::uint64_t kCut = (std::uint64_t{1} << 29) - 1;
  if (bits & kCut) bits = (bits & ~kCut) | (kCut + 1);
  std::memcpy(&value, &bits, sizeof bits);
  return static_cast<float>(value);
}

}  // namespace oncotome::kernels
