// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <string>

namespace oncotome::dicom {

/// Sequences within sequences that a file may have; DCMTK reads each level with a deeper call.
constexpr std::size_t kMaxNesting = 32;

/// The first top-level tag after PixelData.
inline const DcmTagKey kAfterPixelData{0x7fe0, 0x0011};

/// Walks the file's elements without recursion, as DCMTK will. Throws Error{input_unreadable} for sequences nested more
/// than kMaxNesting deep or longer than what holds them, Error{dicom_syntax_unsupported} for a deflated file.
void check_nesting(const std::string& path);

/// Checks the nesting, then loads the top-level elements before `stop`, which is at most kAfterPixelData.
OFCondition guarded_load(DcmFileFormat& file, const std::string& path, const DcmTagKey& stop);

}  // namespace oncotome::dicom
