// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codestream.h"

namespace oncotome::dicom {

/// Decodes a codestream whose header `known` was read and found good: color by pixel, one byte a sample up to 8 bits,
/// else two in the machine's order. Throws Error{input_unreadable}.
Bytes decode_jpeg2000(const Bytes& stream, const Codestream& known);

}  // namespace oncotome::dicom
