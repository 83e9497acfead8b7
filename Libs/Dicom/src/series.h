// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "header.h"

namespace oncotome::dicom {

/// The volumes that the images of one SeriesInstanceUID make; at least one header.
std::vector<Series> split_series(std::vector<Header> headers);

/// Makes one volume of images; at least one header. What is wrong ends up in Series::fault.
Series make_series(std::vector<Header> headers);

}  // namespace oncotome::dicom
