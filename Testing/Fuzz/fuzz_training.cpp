// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "input_file.h"
#include "samples.h"

// A configuration, and after a zero the manifest that it is read with; "1" to "4" are images.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncotome::training;
  for (const char* name : {"1", "2", "3", "4"}) write_input(name, reinterpret_cast<const std::uint8_t*>(name), 1);
  const std::uint8_t* const end = data + size;
  const std::uint8_t* const middle = std::find(data, end, std::uint8_t{0});
  const std::string path = write_input("c.json", data, static_cast<std::size_t>(middle - data));
  attempt([&] {
    Config config = read_config(path);
    if (middle == end) return;
    config.data.manifest = write_input("m.csv", middle + 1, static_cast<std::size_t>(end - middle - 1));
    read_samples(config, oncotome::Job());
  });
  return 0;
}
