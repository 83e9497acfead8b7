// SPDX-License-Identifier: Apache-2.0

#include "input_file.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/weight_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = write_input("weights", data, size);
  attempt([&] {
    const auto file = oncotome::engine::WeightFile::open(path);
    file->contents().dump();
    for (const auto& entry : file->tensors()) attempt([&] { file->read(entry.name); });
    attempt([&] { file->read_all(""); });
  });
  return 0;
}
