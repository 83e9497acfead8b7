// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "oncotome/core/error.h"

/// A folder of this process, for parsers that read files.
inline std::filesystem::path input_folder() {
  static const auto folder = std::filesystem::temp_directory_path() / ("oncotome-fuzz-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  return folder;
}

inline std::string write_input(const std::string& name, const std::uint8_t* data, std::size_t size) {
  const std::string path = (input_folder() / name).string();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  return path;
}

/// What bytes of others may lead to is an error that says so, never one of our own.
template <class Read>
void attempt(Read&& read) {
  try {
    read();
  } catch (const oncotome::Error& error) {
    if (error.code() == oncotome::ErrorCode::internal || error.code() == oncotome::ErrorCode::output_unwritable) throw;
  }
}
