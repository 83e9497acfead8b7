// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <cstdint>
#include <string>

namespace oncotome::dicom {

/// How a pixel cell holds a stored value, PS3.5 section 8.1.1.
struct PixelFormat {
  int bits_allocated = 16;
  int bits_stored = 16;
  int high_bit = 15;
  bool is_signed = false;
};

/// The Image Pixel module, PS3.3 C.7.6.3.
struct PixelModule {
  std::int64_t rows = 0, columns = 0, frames = 1;
  int samples = 1;
  std::string photometric;  ///< "" where the file has none.
  bool by_plane = false;
  PixelFormat format;

  std::size_t pixels() const { return static_cast<std::size_t>(rows * columns); }
};

/// Throws Error{dicom_bad_value, input_unsupported}.
PixelModule read_pixel_module(DcmItem& item);

/// Whether pixels of this transfer syntax can be read; a deflated data set counts as its inflated self.
bool is_readable_syntax(const std::string& uid);

/// Whether pixels lost something to compression: LossyImageCompression (0028,2110) or the transfer syntax says so.
bool is_lossy(DcmFileFormat& file);

/// Ratio and method of lossy pixels, as for (0028,2112) and (0028,2114); "" where unknown. Throws
/// Error{dicom_bad_value, input_unsupported}.
struct Loss {
  std::string ratio, method;
};
Loss read_loss(DcmFileFormat& file, const std::string& path);

}  // namespace oncotome::dicom
