// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oncotome/dicom/scan.h"

namespace oncotome::apps {

/// Writes the only picture of a series as a .png for the eye or, when it is gray, its values as a volume of one slice.
/// Returns its grid. Throws Error{usage, input_*, dicom_*, output_*}.
Geometry write_picture(const dicom::Series& series, const std::string& output, bool replace, dicom::LoadNotes& notes,
                       const Job& job);

}  // namespace oncotome::apps
