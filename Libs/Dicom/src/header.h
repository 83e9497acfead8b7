// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/core/geometry.h"
#include "oncotome/dicom/scan.h"
#include "pixel_module.h"

namespace oncotome::dicom {

/// What one image says of itself: a file, or a frame of one.
struct Header {
  Series series;  ///< What the file says of its series; has no instances.
  Instance instance;
  std::string transfer_syntax_uid;
  std::int64_t rows = 0, columns = 0;
  PixelModule pixels;
  double slope = 1, intercept = 0;
  bool has_slope = true;
  std::optional<std::array<double, 2>> padding;  ///< Lowest and highest stored value that is no image.
  std::optional<Vec3> position;
  std::optional<std::array<Vec3, 2>> orientation;      ///< Along a row, along a column; as in the file.
  std::optional<std::array<double, 2>> pixel_spacing;  ///< Between rows, between columns.
  std::optional<double> thickness, spacing_between_slices, instance_number, images_in_acquisition;
  std::vector<std::string> marks;                       ///< By MarkIndex; "" where it does not say.
  std::string concatenation_uid;                        ///< Its file is one of several parts of a multi-frame object.
  int concatenation_part = 0, concatenation_parts = 0;  ///< From 1; 0 where not said.
  bool localizer = false;
  bool is_picture = false;
  std::optional<Fault> fault;
  std::vector<std::string> doubts;
};

/// One for each image in the file, in the file's order. Throws Error{input_unsupported, dicom_bad_value} for what is no
/// image of a volume; what an image has wrong in itself is in Header::fault.
std::vector<Header> read_headers(DcmFileFormat& file, const std::string& path);

/// The identifiers and descriptions that every image has. Throws Error{dicom_bad_value}.
Header read_identity(DcmFileFormat& file, const std::string& path);

/// Throws Error{dicom_syntax_unsupported} that names the transfer syntax when it cannot be read.
void check_syntax(const Header& header);

}  // namespace oncotome::dicom
