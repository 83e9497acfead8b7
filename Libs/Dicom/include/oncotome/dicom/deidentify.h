// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "oncotome/core/job.h"

namespace oncotome::dicom {

/// Options of the Basic Application Level Confidentiality Profile, DICOM PS3.15 annex E.
struct DeidentifyOptions {
  bool dates = false;            ///< Retain Longitudinal Temporal Information with Full Dates (113106).
  bool shifted_dates = false;    ///< The same with Modified Dates (113107): by days of its own for each patient.
  bool characteristics = false;  ///< Retain Patient Characteristics (113108).
  bool device = false;           ///< Retain Device Identity (113109).
  bool uids = false;             ///< Retain UIDs (113110).
  bool safe_private = false;     ///< Retain Safe Private (113111): of Philips PET and MR, and Siemens' diffusion.
  bool institution = false;      ///< Retain Institution Identity (113112).
  /// Secret that new UIDs, pseudonyms and shifts come from; the same one gives the same again.
  std::string key;
};

/// What was done; names nobody.
struct DeidentifyReport {
  std::uint64_t written = 0, not_dicom = 0;
  std::map<std::string, std::uint64_t> left_out;  ///< Reason and number of files.
  std::uint64_t removed = 0, emptied = 0, replaced = 0, uids = 0, dates_shifted = 0;
  std::uint64_t private_removed = 0, private_kept = 0;
  std::uint64_t found_by_value = 0;  ///< Texts that the table keeps, but that held a name, id or place.
};

/// Writes each DICOM file under the paths without what identifies the patient, as 000001.dcm and so on, into a folder
/// that exists. References stay consistent. Files with burned-in text or a document inside are left out; pixels are not
/// looked at. Throws Error{input_not_found, input_no_images, output_unwritable, cancelled}.
DeidentifyReport deidentify(const std::vector<std::string>& paths, const std::string& folder,
                            const DeidentifyOptions& options, const Job& job);

}  // namespace oncotome::dicom
