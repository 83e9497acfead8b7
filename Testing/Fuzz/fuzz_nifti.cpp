// SPDX-License-Identifier: Apache-2.0
#include "input_file.h"
#include "nifti_header.h"

// The header alone, plain or gzipped: the rest is ITK's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = write_input("a.nii.gz", data, size);
  attempt([&] { oncotome::workflow::check_nifti_header(path); });
  return 0;
}
