// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace oncotome::dicom {

/// The text of at most 16 characters (VR DS, DICOM PS3.5 6.2) that reads back closest to the value: the shortest of
/// those, and without an exponent where that loses nothing. Throws Error{dicom_bad_value} when it is not finite.
std::string decimal_string(double value);

}  // namespace oncotome::dicom
