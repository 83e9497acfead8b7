// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/error.h"
#include "oncotome/engine/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    oncotome::engine::parse_safetensors(reinterpret_cast<const char*>(data), size);
  } catch (const oncotome::Error&) {
  }
  return 0;
}
