// SPDX-License-Identifier: Apache-2.0
#include "input_file.h"
#include "oncotome/dicom/deidentify.h"

// The first byte says which options are set.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const std::string out = [] {
    const auto folder = input_folder() / "out";
    std::filesystem::create_directories(folder);
    return folder.string();
  }();
  oncotome::dicom::DeidentifyOptions options;
  bool* const flags[] = {&options.dates, &options.shifted_dates, &options.characteristics, &options.device,
                         &options.uids,  &options.safe_private,  &options.institution};
  for (unsigned bit = 0; bit < 7; ++bit) *flags[bit] = (data[0] >> bit & 1) != 0;
  options.key = "key";
  const std::string path = write_input("a.dcm", data + 1, size - 1);
  attempt([&] { oncotome::dicom::deidentify({path}, out, options, {}); });
  return 0;
}
