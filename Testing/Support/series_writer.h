// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/core/volume.h"

class DcmItem;

namespace oncotome::testing {

/// What a made-up DICOM series shall say. Patient and dates are fictional; empty UIDs are made from `seed`.
struct SeriesRecipe {
  std::string directory;        ///< Made when it is not there.
  std::string modality = "MR";  ///< "MR", "CT" or "PT".
  std::string seed = "oncotome test";
  std::string study_uid, series_uid, frame_of_reference_uid;
  std::string patient_name = "Test^Tumor";
  std::string patient_id = "ONCOTOME-TEST";
  std::string study_date = "20200102";
  std::string study_description = "Oncotome test study";
  std::string description;
  std::string protocol_name;
  std::string body_part = "BRAIN";
  std::string image_type;  ///< Empty: an original image of the modality.
  int series_number = 1;
  std::string scanning_sequence = "SE";  ///< MR: "SE", "GR", "IR", "EP", "RM".
  std::optional<double> repetition_time_ms = 500, echo_time_ms = 10, inversion_time_ms;
  std::string contrast_agent;
  double slope = 1, intercept = 0;  ///< stored = (value - intercept) / slope must be an int16 integer.
  std::vector<std::size_t> order;   ///< File and instance number n + 1 hold slice order[n]; empty: 0, 1, 2, ...
  /// Called with each finished dataset and its slice, to spoil it on purpose.
  std::function<void(DcmItem&, std::size_t slice)> edit;
};

/// Writes one file per slice, Explicit VR Little Endian, "0001.dcm", "0002.dcm", ...; returns the paths by slice.
/// Throws Error{dicom_bad_value, output_unwritable}.
std::vector<std::string> write_series(const Volume<float>& volume, const SeriesRecipe& recipe);

}  // namespace oncotome::testing
