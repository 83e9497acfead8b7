// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <new>

#include "guarded_load.h"
#include "oncotome/core/error.h"
#include "pixels.h"
#include "quiet_dcmtk.h"

// The bytes of a file, inflated and decoded frame by frame.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncotome::dicom;
  constexpr std::int64_t kMostFrames = 4, kMostPixels = 1 << 22;
  static const QuietDcmtk quiet;
  static const std::string path =
      (std::filesystem::temp_directory_path() / ("fuzz-pixels-" + std::to_string(::getpid()) + ".dcm")).string();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    DcmFileFormat file;
    if (guarded_load(file, path, kAfterPixelData).bad()) return 0;
    PixelSource source(file, "the file");
    const PixelModule& module = source.module();
    if (module.rows * module.columns > kMostPixels) return 0;
    for (std::int64_t i = 0; i < std::min(module.frames, kMostFrames); ++i)
      for_each_value(source.frame(i), [](std::size_t, std::int64_t) {});
  } catch (const oncotome::Error&) {
  } catch (const std::bad_alloc&) {
  }
  return 0;
}
