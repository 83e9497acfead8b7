// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "input_file.h"
#include "oncotome/engine/import.h"

// A brainchop model: the text of model.json, a zero byte, and the weights.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::size_t text = static_cast<std::size_t>(std::find(data, data + size, 0) - data);
  write_input("model.json", data, text);
  write_input("w.bin", data + std::min(text + 1, size), size - std::min(text + 1, size));
  attempt([&] {
    oncotome::engine::import_model(input_folder().string(), (input_folder() / "out").string(), "meshnet", true);
  });
  return 0;
}
