// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace oncotome::workflow {

/// Refuses a NIfTI-1 file, plain or gzipped, whose header ITK 5.2 guesses at, or ends the whole program for (vnl's
/// abort on a number that is not finite). Throws Error{input_unreadable, input_unsupported}.
void check_nifti_header(const std::string& path);

}  // namespace oncotome::workflow
