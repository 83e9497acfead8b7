// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "sem.h"

/// Parameters that several of the modules have.
namespace oncotome::cli {

using Parameters = std::vector<sem::Parameter>;

/// inputVolume2, inputVolume3 and inputVolume4.
Parameters further_volumes();
/// model, modelFolder, and channels: which of the model's each volume is.
Parameters model_parameters();
/// labels and minimumVolume: what of a label image is a lesion.
Parameters lesion_parameters();
/// device, precision and threads.
Parameters device_parameters();
/// inputVolume as an argument.
sem::Parameter scan_parameter();
/// inputLesions.
sem::Parameter lesions_parameter();

/// One after the other.
Parameters together(const std::vector<Parameters>& lists);

}  // namespace oncotome::cli
