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

/// Walks the elements of a file that is not deflated without recursion, as DCMTK will. Throws Error{input_unreadable}
/// for sequences nested more than kMaxNesting deep or longer than what holds them.
void check_nesting(const std::string& path);

/// Inflates the file where it is deflated, checks the nesting, then loads the top-level elements before `stop`, which
/// is at most kAfterPixelData. Throws Error{input_unreadable}.
OFCondition guarded_load(DcmFileFormat& file, const std::string& path, const DcmTagKey& stop);

}  // namespace oncotome::dicom
