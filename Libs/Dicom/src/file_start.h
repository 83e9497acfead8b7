// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace oncotome::dicom {

/// What the first bytes of a file say.
enum class FileKind {
  unknown,  ///< No "DICM" after the preamble: something else, or a bare data set.
  dicom,    ///< PS3.10 file.
  dicomdir,
  orthanc_packed,  ///< PS3.10 file as Orthanc stores it with StorageCompression: its size in 8 bytes, then zlib data.
  unreadable,
};

FileKind kind_of_file(const std::string& path);

}  // namespace oncotome::dicom
