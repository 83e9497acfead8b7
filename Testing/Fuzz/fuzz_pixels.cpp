// SPDX-License-Identifier: Apache-2.0
#include "pixels.h"

#include <algorithm>
#include <new>

#include "guarded_load.h"
#include "input_file.h"
#include "quiet_dcmtk.h"

// The bytes of a file, inflated and decoded frame by frame.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncotome::dicom;
  constexpr std::int64_t kMostFrames = 4, kMostPixels = 1 << 22;
  static const QuietDcmtk quiet;
  const std::string path = write_input("a.dcm", data, size);
  attempt([&] {
    DcmFileFormat file;
    if (guarded_load(file, path, kAfterPixelData).bad()) return;
    PixelSource source(file, "the file");
    const PixelModule& module = source.module();
    if (module.rows * module.columns > kMostPixels) return;
    for (std::int64_t i = 0; i < std::min(module.frames, kMostFrames); ++i)
      for_each_value(source.frame(i), [](std::size_t, std::int64_t) {});
  });
  return 0;
}
