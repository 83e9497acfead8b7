// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/core/error.h"

namespace oncotome::dicom {

/// The value without padding, as bytes of the file; "" when absent.
std::string raw_text(DcmItem& item, const DcmTagKey& tag);

/// The value as UTF-8 without control characters; what cannot be converted is shown as '?'.
std::string display_text(DcmItem& item, const DcmTagKey& tag);

/// PS3.5 section 9, but a leading zero in a component is let pass. Safe in a file name.
bool is_uid(const std::string& text);

/// Parts between backslashes, without padding.
std::vector<std::string> split_values(const std::string& text);

/// Empty when the element is absent or empty. Throws Error{dicom_bad_value} when a value is no finite number.
std::vector<double> numbers(DcmItem& item, const DcmTagKey& tag);

/// As numbers(), of a value that was read already.
std::vector<double> parse_numbers(const std::string& text, const DcmTagKey& tag);

/// As numbers(); throws too when there is more or less than one value.
std::optional<double> number(DcmItem& item, const DcmTagKey& tag);

/// As number(), for what decides nothing: nothing instead of an error.
std::optional<double> number_if_good(DcmItem& item, const DcmTagKey& tag);

/// A whole number, in digits alone. Throws Error{dicom_bad_value} when there is none or it is not within the limits.
std::int64_t whole(DcmItem& item, const DcmTagKey& tag, std::int64_t low, std::int64_t high);

/// Throws Error{dicom_bad_value}.
[[noreturn]] void bad_value(const std::string& what);

/// Whether 32 bits, times the slope, and the intercept make a value that a float holds with room to spare.
bool is_rescale(double slope, double intercept);

/// A number with four significant digits, for messages.
std::string brief(double value);

}  // namespace oncotome::dicom
