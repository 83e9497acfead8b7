// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <cstdint>
#include <memory>
#include <string>

namespace oncotome::dicom {

constexpr const char* kLabelMapClass = "1.2.840.10008.5.1.4.1.1.66.7";

/// Most bytes of pixels, or of the masks made of them, that one object may ask for.
constexpr std::uint64_t kMostMaskBytes = std::uint64_t{4} << 30;

/// The whole data set. Throws Error{input_unreadable, dicom_syntax_unsupported}.
std::unique_ptr<DcmFileFormat> load_mask_file(const std::string& path);

/// Throws Error{input_unsupported} when so many masks of so many voxels are more than kMostMaskBytes.
void check_mask_memory(std::uint64_t masks, std::uint64_t voxels);

}  // namespace oncotome::dicom
