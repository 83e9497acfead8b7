// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"
#include "oncotome/dicom/scan.h"

namespace oncotome::dicom {

/// How the values of a PET series become standardized uptake values by body weight (g/ml).
struct Suv {
  std::vector<double> factors;      ///< Of each of the series' instances: SUVbw = rescaled value * factor.
  std::string unavailable;          ///< Why there is none; the factors are empty then.
  std::vector<std::string> doubts;  ///< What was odd but taken all the same.
};

/// Works it out from the headers, as QIBA's FDG-PET profile does: units BQML, CNTS with Philips' factors, GML; decay
/// corrected to the start of the scan, to the injection, or not. Nothing that is missing is made up. Throws
/// Error{input_unreadable, cancelled}.
Suv find_suv(const Series& series, const Job& job);

/// Makes SUVbw of what load_volume() gave. Throws Error{precondition_unmet} with the reason when there is none, or when
/// the factors differ from slice to slice in a series that is resampled.
void scale_to_suv(Volume<float>& volume, const Series& series, const Suv& suv);

}  // namespace oncotome::dicom
