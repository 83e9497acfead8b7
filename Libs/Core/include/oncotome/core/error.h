// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace oncotome {

/// Stable reasons of failure; error.cpp holds the name and the exit code of each.
enum class ErrorCode {
  internal,
  usage,
  cancelled,
  input_not_found,
  input_unreadable,
  input_no_images,
  input_ambiguous,
  input_unsupported,
  dicom_syntax_unsupported,
  dicom_missing_slices,
  dicom_uneven_spacing,
  dicom_duplicate_position,
  dicom_gantry_tilt,
  dicom_mixed_orientation,
  dicom_mixed_size,
  dicom_no_geometry,
  dicom_bad_value,
  dicom_too_few_slices,
  dicom_mixed_patients,
  grid_mismatch,
  channel_missing,
  channel_ambiguous,
  precondition_unmet,
  model_not_found,
  model_invalid,
  model_unsupported,
  weights_invalid,
  weights_checksum,
  device_unavailable,
  backend_failed,
  out_of_memory,
  output_exists,
  output_unwritable,
  result_not_finite,
};

/// Whether the same job may succeed another time: never, later (a full disk), on another device.
enum class Retry { never, later, other_device };

/// The only exception that Oncotome's libraries throw on purpose.
/// The message says what, where and what to do, and never holds a patient's name or id.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  ErrorCode code() const noexcept { return code_; }
  /// Stable dotted name, such as "dicom.missing_slices".
  const char* name() const noexcept;
  /// Process exit code, 1 to 130.
  int exit_code() const noexcept;
  Retry retry() const noexcept;

 private:
  ErrorCode code_;
};

/// The stable dotted name of a code.
const char* error_name(ErrorCode code) noexcept;

}  // namespace oncotome
