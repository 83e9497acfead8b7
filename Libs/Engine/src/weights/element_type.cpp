// SPDX-License-Identifier: Apache-2.0
#include "element_type.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "../compute_kernels.h"

namespace oncotome::engine::weights {
namespace {

template <class T>
float widen(T value) {
  return static_cast<float>(value);
}

struct Brain {
  std::uint16_t bits;
};

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

void convert_halves(const char* from, std::size_t count, float* to) {
  std::vector<std::uint16_t> halves(count);
  std::memcpy(halves.data(), from, count * sizeof(std::uint16_t));
  compute_kernels().float_from_half(halves.data(), to, count);
}

constexpr ElementType kTypes[] = {
    {"float32", "FloatStorage", "F32", 4, convert<float>},
    {"float64", "DoubleStorage", "F64", 8, convert<double>},
    {"float16", "HalfStorage", "F16", 2, convert_halves},
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

const ElementType* find_element_type(const std::string& name) {
  if (name.empty()) return nullptr;
  for (const ElementType& type : kTypes)
    if (name == type.name || name == type.storage || name == type.safetensors) return &type;
  return nullptr;
}

}  // namespace oncotome::engine::weights
