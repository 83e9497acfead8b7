// SPDX-License-Identifier: Apache-2.0
#include "image_io.h"
#include "input_file.h"

// A JPEG where it begins as one, else a PNG.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const bool is_jpeg = size > 0 && data[0] == 0xff;
  const std::string path = write_input(is_jpeg ? "a.jpg" : "a.png", data, size);
  attempt([&] { oncotome::workflow::read_picture(path, 3); });
  return 0;
}
