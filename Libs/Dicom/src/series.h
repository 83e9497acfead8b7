// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "header.h"

namespace oncotome::dicom {

/// Makes one series of the images that share its UID; at least one header. What is wrong ends up in Series::fault.
Series make_series(std::vector<Header> headers);

}  // namespace oncotome::dicom
