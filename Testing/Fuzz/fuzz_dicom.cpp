// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "oncotome/core/error.h"
#include "oncotome/dicom/scan.h"

// One file twice, at two names: what one instance leaves alone, two can break.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fs = std::filesystem;
  static const fs::path folder = fs::temp_directory_path() / ("fuzz-dicom-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  for (const char* name : {"a.dcm", "b.dcm"})
    std::ofstream(folder / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const oncotome::Job job;
  try {
    for (const auto& study : oncotome::dicom::scan({folder.string()}, job).studies)
      for (const auto& series : study.series) oncotome::dicom::load_volume(series, job);
  } catch (const oncotome::Error&) {
  }
  return 0;
}
