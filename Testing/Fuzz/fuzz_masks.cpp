// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "oncotome/dicom/masks.h"

// Every reader of masks, whatever the file says it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fs = std::filesystem;
  static const std::string path =
      (fs::temp_directory_path() / ("fuzz-masks-" + std::to_string(::getpid()) + ".dcm")).string();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const oncotome::Job job;
  oncotome::Geometry grid;
  grid.size = {8, 8, 3};
  const auto attempt = [](auto&& read) {
    try {
      read();
    } catch (const oncotome::Error&) {
    }
  };
  attempt([&] { oncotome::dicom::mask_kind(path); });
  attempt([&] { oncotome::dicom::referenced_series(path); });
  attempt([&] { oncotome::dicom::read_segmentation(path, job); });
  attempt([&] { oncotome::dicom::read_structure_set(path, grid, job); });
  return 0;
}
