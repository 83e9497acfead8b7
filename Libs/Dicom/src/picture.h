// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "header.h"

namespace oncotome::dicom {

/// Storage classes whose images are pictures.
bool is_picture_class(const std::string& sop_class_uid);

/// What a picture says of itself. Throws Error{input_unsupported, dicom_bad_value}, or has a fault.
Header read_picture_header(DcmFileFormat& file, const std::string& path);

/// Makes one series of pictures that share its UID, in the order of their InstanceNumber.
Series make_pictures(std::vector<Header> headers);

}  // namespace oncotome::dicom
