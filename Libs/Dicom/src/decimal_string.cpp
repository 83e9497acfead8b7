// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/decimal_string.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "oncotome/core/error.h"

namespace oncotome::dicom {
namespace {

constexpr std::size_t kMaxLength = 16;

// "1e-05" to "1e-5": the room goes to digits.
std::string without_exponent_padding(std::string text) {
  const std::size_t e = text.find('e');
  if (e == std::string::npos) return text;
  std::size_t digits = e + 1;
  if (text[digits] == '+') text.erase(digits, 1);
  if (text[digits] == '-') ++digits;
  while (text[digits] == '0' && digits + 1 < text.size()) text.erase(digits, 1);
  return text;
}

}  // namespace

std::string decimal_string(double value) {
  if (!std::isfinite(value)) throw Error(ErrorCode::dicom_bad_value, "a number to be written in DICOM is not finite");
  if (value == 0) return "0";
  std::string best;
  double best_error = std::numeric_limits<double>::infinity();
  for (const auto format : {std::chars_format::fixed, std::chars_format::scientific}) {
    for (int precision = 0; precision <= 17; ++precision) {
      char buffer[400];
      const auto written = std::to_chars(buffer, buffer + sizeof buffer, value, format, precision);
      const std::string text = without_exponent_padding(std::string(buffer, written.ptr));
      if (text.size() > kMaxLength) break;
      double back = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), back).ec != std::errc{}) continue;
      const double error = std::abs(back - value);
      if (error < best_error) {
        best = text;
        best_error = error;
      }
    }
  }
  return best;
}

}  // namespace oncotome::dicom
