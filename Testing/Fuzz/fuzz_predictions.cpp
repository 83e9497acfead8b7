// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "class_evaluation.h"
#include "input_file.h"

// Predictions, and after a zero their truth.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint8_t* const end = data + size;
  const std::uint8_t* const middle = std::find(data, end, std::uint8_t{0});
  const std::string predictions = write_input("p.csv", data, static_cast<std::size_t>(middle - data));
  const std::uint8_t* const rest = middle == end ? end : middle + 1;
  const std::string truth = write_input("t.csv", rest, static_cast<std::size_t>(end - rest));
  attempt([&] { oncotome::workflow::evaluate_classes({predictions, truth, ""}); });
  return 0;
}
