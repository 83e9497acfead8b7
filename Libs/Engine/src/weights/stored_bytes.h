// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <fstream>
#include <mutex>
#include <string>

namespace oncotome::engine::weights {

/// Throws Error{weights_invalid}.
[[noreturn]] void refuse(const std::string& why);

/// A file that is read piece by piece; any thread may read.
class StoredBytes {
 public:
  /// Throws Error{model_not_found, input_unreadable}.
  explicit StoredBytes(const std::string& path);

  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }
  /// Throws Error{weights_invalid} past the end, {input_unreadable}.
  void read(std::uint64_t position, void* to, std::uint64_t count) const;
  std::string text(std::uint64_t position, std::uint64_t count) const;

 private:
  std::string name_;
  std::uint64_t size_ = 0;
  mutable std::ifstream file_;
  mutable std::mutex mutex_;
};

/// A little-endian number of `bytes` bytes.
inline std::uint64_t little_endian(const char* from, int bytes) {
  std::uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

}  // namespace oncotome::engine::weights
