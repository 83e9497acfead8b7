// SPDX-License-Identifier: Apache-2.0
#include "element_type.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace oncotome::engine::weights {
namespace {

template <class T>
float widen(T value) {
  return static_cast<float>(value);
}

struct Half {
  std::uint16_t bits;
};
struct Brain {
  std::uint16_t bits;
};

float widen(Half half) {
  const std::uint32_t sign = (half.bits & 0x8000U) << 16U, exponent = half.bits >> 10U & 31U,
                      mantissa = half.bits & 1023U;
  if (exponent == 0) return std::copysign(std::ldexp(static_cast<float>(mantissa), -24), sign != 0 ? -1.0F : 1.0F);
  const std::uint32_t bits = sign | (exponent == 31 ? 255U : exponent + 112U) << 23U | mantissa << 13U;
  float value = 0;
  std::memcpy(&value, &bits, 4);
  return value;
}

float widen(Brain brain) {
  const std::uint32_t bits = std::uint32_t{brain.bits} << 16U;
  float value = 0;
  std::memcpy(&value, &bits, 4);
  return value;
}

struct Truth {
  std::uint8_t byte;
};
float widen(Truth truth) { return truth.byte != 0 ? 1.0F : 0.0F; }

template <class T>
void convert(const char* from, std::size_t count, float* to) {
  for (std::size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    to[i] = widen(value);
  }
}

constexpr ElementType kTypes[] = {
    {"float32", "FloatStorage", "F32", 4, convert<float>},
    {"float64", "DoubleStorage", "F64", 8, convert<double>},
    {"float16", "HalfStorage", "F16", 2, convert<Half>},
    {"bfloat16", "BFloat16Storage", "BF16", 2, convert<Brain>},
    {"int64", "LongStorage", "I64", 8, convert<std::int64_t>},
    {"int32", "IntStorage", "I32", 4, convert<std::int32_t>},
    {"int16", "ShortStorage", "I16", 2, convert<std::int16_t>},
    {"int8", "CharStorage", "I8", 1, convert<std::int8_t>},
    {"uint8", "ByteStorage", "U8", 1, convert<std::uint8_t>},
    {"bool", "BoolStorage", "BOOL", 1, convert<Truth>},
    {"uint16", "", "U16", 2, convert<std::uint16_t>},
    {"uint32", "", "U32", 4, convert<std::uint32_t>},
    {"uint64", "", "U64", 8, convert<std::uint64_t>},
    {"float8_e4m3fn", "", "F8_E4M3", 1, nullptr},
    {"float8_e5m2", "", "F8_E5M2", 1, nullptr},
    {"complex64", "ComplexFloatStorage", "C64", 8, nullptr},
    {"complex128", "ComplexDoubleStorage", "", 16, nullptr},
};

}  // namespace

bool ElementType::is_floating() const { return to_float != nullptr && std::strstr(name, "float") != nullptr; }

const ElementType* find_element_type(const std::string& name) {
  if (name.empty()) return nullptr;
  for (const ElementType& type : kTypes)
    if (name == type.name || name == type.storage || name == type.safetensors) return &type;
  return nullptr;
}

}  // namespace oncotome::engine::weights
