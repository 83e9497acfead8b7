// SPDX-License-Identifier: Apache-2.0
#include "input_file.h"
#include "unpacked_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = write_input("a.zip", data, size);
  attempt([&] { const oncotome::workflow::UnpackedInput input({path}, {}); });
  return 0;
}
