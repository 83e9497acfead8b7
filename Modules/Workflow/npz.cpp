// SPDX-License-Identifier: Apache-2.0
#include "npz.h"

#include <minizip/zip.h>

#include <algorithm>

#include "oncotome/core/error.h"

namespace oncotome::workflow {

void write_npz(const std::string& path, const std::string& name, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values) {
  // numpy.lib.format, version 1.0: the header ends with a line end at a multiple of 64 bytes.
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const std::int64_t n : shape) header += std::to_string(n) + ", ";
  header += "), }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string start{"\x93NUMPY\x01\x00", 8};
  start += static_cast<char>(header.size() & 255);
  start += static_cast<char>(header.size() >> 8);
  start += header;

  const zipFile zip = zipOpen64(path.c_str(), APPEND_STATUS_CREATE);
  const zip_fileinfo info{};
  bool good = zip != nullptr && zipOpenNewFileInZip64(zip, (name + ".npy").c_str(), &info, nullptr, 0, nullptr, 0,
                                                      nullptr, 8 /* deflate */, 1, 1) == ZIP_OK;
  good = good && zipWriteInFileInZip(zip, start.data(), static_cast<unsigned>(start.size())) == ZIP_OK;
  constexpr std::size_t kPiece = std::size_t{1} << 24;
  for (std::size_t i = 0; good && i < values.size(); i += kPiece)
    good = zipWriteInFileInZip(zip, values.data() + i,
                               static_cast<unsigned>(std::min(kPiece, values.size() - i) * sizeof(float))) == ZIP_OK;
  good = good && zipCloseFileInZip(zip) == ZIP_OK;
  if (zip != nullptr) good = zipClose(zip, nullptr) == ZIP_OK && good;
  if (!good) throw Error(ErrorCode::output_unwritable, "probabilities cannot be written: check the free space");
}

}  // namespace oncotome::workflow
