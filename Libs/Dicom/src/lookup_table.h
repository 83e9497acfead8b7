// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace oncotome::dicom {

/// A table of a modality transform (PS3.3 C.11.1) or a palette (C.7.6.3.1.5).
struct LookupTable {
  std::int64_t first = 0;  ///< The stored value of the first entry.
  int bits = 16;           ///< Of an entry.
  std::vector<std::uint16_t> entries;

  std::uint16_t at(std::int64_t stored) const {
    const auto last = static_cast<std::int64_t>(entries.size()) - 1;
    return entries[static_cast<std::size_t>(std::clamp<std::int64_t>(stored - first, 0, last))];
  }
};

/// Throws Error{dicom_bad_value} for a table that does not fit its descriptor.
LookupTable read_lookup_table(DcmItem& item, const DcmTagKey& descriptor, const DcmTagKey& data, bool is_signed);

}  // namespace oncotome::dicom
