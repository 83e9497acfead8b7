// SPDX-License-Identifier: Apache-2.0
#include "input_file.h"
#include "oncotome/dicom/masks.h"

// Every reader of masks, whatever the file says it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = write_input("a.dcm", data, size);
  const oncotome::Job job;
  oncotome::Geometry grid;
  grid.size = {8, 8, 3};
  attempt([&] { oncotome::dicom::mask_kind(path); });
  attempt([&] { oncotome::dicom::mask_references(path); });
  attempt([&] { oncotome::dicom::read_segmentation(path, job); });
  attempt([&] { oncotome::dicom::read_structure_set(path, grid, job); });
  return 0;
}
