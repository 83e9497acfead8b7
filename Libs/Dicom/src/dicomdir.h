// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/dicom/scan.h"

namespace oncotome::dicom {

/// The files that a DICOMDIR (PS3.3 annex F) names, beside or below it; an index and nothing more. One that is not
/// there, is no plain file or would lie elsewhere goes to `rejected`. Throws Error{input_unreadable}.
std::vector<std::string> files_of_dicomdir(const std::string& path, std::vector<Rejected>& rejected);

}  // namespace oncotome::dicom
