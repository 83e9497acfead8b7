// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <istream>
#include <vector>

namespace oncotome::dicom {

/// Appends what the rest of the stream inflates to (RFC 1951), at most 2 GiB in all. Throws Error{input_unreadable}
/// for damaged data, and for data that inflate to more than 32 MiB and 100 times their size.
void inflate_rest(std::istream& deflated, std::vector<char>& out);

}  // namespace oncotome::dicom
