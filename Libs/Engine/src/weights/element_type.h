// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace oncotome::engine::weights {

/// No tensor or storage has more.
constexpr std::int64_t kMostElements = std::int64_t{1} << 48;

/// How one number is stored, with the names that PyTorch, its storages and safetensors have for it.
struct ElementType {
  const char* name;
  const char* storage;
  const char* safetensors;
  std::size_t size;
  /// Writes `count` little-endian elements as float32; null where there is no way.
  void (*to_float)(const char* from, std::size_t count, float* to);
};

/// By PyTorch's name ("float32"), its storage's ("FloatStorage") or safetensors' ("F32"); null where unknown.
const ElementType* find_element_type(const std::string& name);

}  // namespace oncotome::engine::weights
