// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/error.h"

namespace oncotome {
namespace {

struct Entry {
  ErrorCode code;
  const char* name;
  int exit_code;
  Retry retry;
};

constexpr Entry kTable[] = {
    {ErrorCode::internal, "internal", 1, Retry::never},
    {ErrorCode::usage, "usage", 2, Retry::never},
    {ErrorCode::cancelled, "cancelled", 130, Retry::later},
    {ErrorCode::input_not_found, "input.not_found", 10, Retry::never},
    {ErrorCode::input_unreadable, "input.unreadable", 11, Retry::later},
    {ErrorCode::input_no_images, "input.no_images", 12, Retry::never},
    {ErrorCode::input_ambiguous, "input.ambiguous", 13, Retry::never},
    {ErrorCode::input_unsupported, "input.unsupported", 14, Retry::never},
    {ErrorCode::dicom_syntax_unsupported, "dicom.syntax_unsupported", 20, Retry::never},
    {ErrorCode::dicom_missing_slices, "dicom.missing_slices", 21, Retry::never},
    {ErrorCode::dicom_uneven_spacing, "dicom.uneven_spacing", 22, Retry::never},
    {ErrorCode::dicom_duplicate_position, "dicom.duplicate_position", 23, Retry::never},
    {ErrorCode::dicom_gantry_tilt, "dicom.gantry_tilt", 24, Retry::never},
    {ErrorCode::dicom_mixed_orientation, "dicom.mixed_orientation", 25, Retry::never},
    {ErrorCode::dicom_mixed_size, "dicom.mixed_size", 26, Retry::never},
    {ErrorCode::dicom_no_geometry, "dicom.no_geometry", 27, Retry::never},
    {ErrorCode::dicom_bad_value, "dicom.bad_value", 28, Retry::never},
    {ErrorCode::dicom_too_few_slices, "dicom.too_few_slices", 29, Retry::never},
    {ErrorCode::dicom_mixed_patients, "dicom.mixed_patients", 30, Retry::never},
    {ErrorCode::grid_mismatch, "grid.mismatch", 40, Retry::never},
    {ErrorCode::channel_missing, "channel.missing", 41, Retry::never},
    {ErrorCode::channel_ambiguous, "channel.ambiguous", 42, Retry::never},
    {ErrorCode::precondition_unmet, "precondition.unmet", 43, Retry::never},
    {ErrorCode::model_not_found, "model.not_found", 50, Retry::never},
    {ErrorCode::model_invalid, "model.invalid", 51, Retry::never},
    {ErrorCode::model_unsupported, "model.unsupported", 52, Retry::never},
    {ErrorCode::weights_invalid, "weights.invalid", 53, Retry::never},
    {ErrorCode::weights_checksum, "weights.checksum", 54, Retry::never},
    {ErrorCode::device_unavailable, "device.unavailable", 60, Retry::other_device},
    {ErrorCode::backend_failed, "backend.failed", 61, Retry::other_device},
    {ErrorCode::out_of_memory, "memory.exhausted", 62, Retry::other_device},
    {ErrorCode::output_exists, "output.exists", 70, Retry::never},
    {ErrorCode::output_unwritable, "output.unwritable", 71, Retry::later},
    {ErrorCode::result_not_finite, "result.not_finite", 72, Retry::never},
};

constexpr const Entry& entry(ErrorCode code) { return kTable[static_cast<int>(code)]; }

constexpr bool table_is_in_order() {
  int expected = 0;
  for (const Entry& e : kTable)
    if (static_cast<int>(e.code) != expected++) return false;
  return expected == static_cast<int>(ErrorCode::result_not_finite) + 1;
}
static_assert(table_is_in_order());

}  // namespace

const char* error_name(ErrorCode code) noexcept { return entry(code).name; }
const char* Error::name() const noexcept { return entry(code_).name; }
int Error::exit_code() const noexcept { return entry(code_).exit_code; }
Retry Error::retry() const noexcept { return entry(code_).retry; }

}  // namespace oncotome
