// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace oncotome::dicom {

/// Days since 1970-01-01 of a date (VR DA, or ACR-NEMA's YYYY.MM.DD); nothing when there is no such day.
std::optional<std::int64_t> days_of(const std::string& date);

/// YYYYMMDD of days since 1970-01-01.
std::string date_of(std::int64_t days);

/// Seconds since midnight of a time (VR TM, or ACR-NEMA's HH:MM:SS); later parts may be absent.
std::optional<double> seconds_of(const std::string& time);

/// Seconds since 1970-01-01 by the clock of the site. A DT's own offset counts only where the object states its zone
/// (0008,0201) too.
std::optional<double> moment(const std::string& date, const std::string& time);
std::optional<double> moment_of_datetime(const std::string& datetime, const std::string& zone);

}  // namespace oncotome::dicom
