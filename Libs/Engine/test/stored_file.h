// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

/// Bytes as a file, for as long as this lives.
class StoredFile {
 public:
  explicit StoredFile(const std::string& bytes)
      : path_((std::filesystem::temp_directory_path() / ("oncotome-weights-" + next())).string()) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~StoredFile() { std::filesystem::remove(path_); }
  StoredFile(const StoredFile&) = delete;
  StoredFile& operator=(const StoredFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  static std::string next() {
    static int number = 0;
    return std::to_string(::getpid()) + "-" + std::to_string(number++);
  }

  std::string path_;
};

inline std::string little_endian_bytes(std::uint64_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += i < 8 ? static_cast<char>(value >> (8 * i)) : char{0};
  return bytes;
}
