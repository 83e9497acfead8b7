// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "header.h"

namespace oncotome::dicom {

/// Sets the padding of a CT in HU (PixelPaddingValue to PixelPaddingRangeLimit, PS3.3 C.7.5.1.1.2) and what lies below
/// -1024 HU to -1024; returns how many values that changed.
std::size_t clean_hounsfield(const Header& header, float* values, std::size_t count);

/// Notes what speaks against Hounsfield units in a whole CT: no value below 0, or no air near -1000.
void check_hounsfield(const Series& series, const std::vector<float>& values, LoadNotes& notes);

}  // namespace oncotome::dicom
