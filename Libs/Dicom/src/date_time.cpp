// SPDX-License-Identifier: Apache-2.0
#include "date_time.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace oncotome::dicom {
namespace {

bool all_digits(const std::string& text) { return text.find_first_not_of("0123456789") == std::string::npos; }

// Howard Hinnant's algorithms for the proleptic Gregorian calendar.
std::int64_t days_from_civil(std::int64_t y, int m, int d) {
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
  const std::int64_t of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

std::optional<int> zone_minutes(const std::string& zone) {
  if (zone.size() != 5 || (zone[0] != '+' && zone[0] != '-') || !all_digits(zone.substr(1))) return std::nullopt;
  const int minutes = 60 * std::atoi(zone.substr(1, 2).c_str()) + std::atoi(zone.substr(3).c_str());
  return zone[0] == '-' ? -minutes : minutes;
}

double fraction_of(const std::string& digits) {
  const std::string text = "0." + digits + "0";
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string date_of(std::int64_t days) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
  const std::int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::int64_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
  const std::int64_t month = m < 10 ? m + 3 : m - 9;
  const long long full_year = year + era * 400 + (month <= 2), day = of_year - (153 * m + 2) / 5 + 1;
  char text[72];
  std::snprintf(text, sizeof text, "%04lld%02lld%02lld", full_year, static_cast<long long>(month), day);
  return text;
}

std::optional<std::int64_t> days_of(const std::string& date) {
  std::string digits = date;
  if (date.size() == 10 && date[4] == '.' && date[7] == '.')
    digits = date.substr(0, 4) + date.substr(5, 2) + date.substr(8);
  if (digits.size() != 8 || !all_digits(digits)) return std::nullopt;
  const int month = std::atoi(digits.substr(4, 2).c_str()), day = std::atoi(digits.substr(6).c_str());
  if (month < 1 || month > 12 || day < 1) return std::nullopt;
  const std::int64_t days = days_from_civil(std::atoi(digits.substr(0, 4).c_str()), month, day);
  return date_of(days) == digits ? std::optional<std::int64_t>(days) : std::nullopt;
}

std::optional<double> seconds_of(const std::string& time) {
  std::string digits = time;
  digits.erase(std::remove(digits.begin(), digits.end(), ':'), digits.end());
  std::string fraction;
  if (const std::size_t point = digits.find('.'); point != std::string::npos) {
    fraction = digits.substr(point + 1);
    digits.resize(point);
    if (digits.size() != 6 || !all_digits(fraction)) return std::nullopt;
  }
  if (digits.empty() || digits.size() > 6 || digits.size() % 2 != 0 || !all_digits(digits)) return std::nullopt;
  digits.resize(6, '0');
  const int h = std::atoi(digits.substr(0, 2).c_str()), m = std::atoi(digits.substr(2, 2).c_str()),
            s = std::atoi(digits.substr(4).c_str());
  if (h > 23 || m > 59 || s > 60) return std::nullopt;
  return h * 3600 + m * 60 + s + fraction_of(fraction);
}

std::optional<double> moment(const std::string& date, const std::string& time) {
  const auto days = days_of(date);
  const auto seconds = seconds_of(time);
  if (!days || !seconds) return std::nullopt;
  return static_cast<double>(*days) * 86400 + *seconds;
}

std::optional<double> moment_of_datetime(const std::string& datetime, const std::string& zone) {
  const std::size_t sign = datetime.find_first_of("+-");
  const std::string own = datetime.substr(0, sign);
  // A date without a time does not say when.
  if (own.size() < 10) return std::nullopt;
  auto at = moment(own.substr(0, 8), own.substr(8));
  if (!at || sign == std::string::npos) return at;
  const auto offset = zone_minutes(datetime.substr(sign)), site = zone_minutes(zone);
  if (!offset) return std::nullopt;
  return site ? *at + (*site - *offset) * 60 : *at;
}

}  // namespace oncotome::dicom
