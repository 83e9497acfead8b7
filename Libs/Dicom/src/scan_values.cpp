// SPDX-License-Identifier: Apache-2.0
#include <dcmtk/dcmdata/dcspchrs.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "values.h"

namespace oncotome::dicom {
namespace {

std::string trimmed(std::string_view text) {
  constexpr std::string_view padding(" \0", 2);
  const auto first = text.find_first_not_of(padding);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(padding) - first + 1));
}

bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7f; }

std::string tag_name(const DcmTagKey& tag) { return DcmTag(tag).getTagName(); }

double parse(std::string_view text, const DcmTagKey& tag) {
  double value = 0;
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    throw Error(ErrorCode::dicom_bad_value, tag_name(tag) + " is not a number");
  return value;
}

}  // namespace

std::string raw_text(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  if (item.findAndGetOFStringArray(tag, value).bad()) return {};
  return trimmed({value.data(), value.size()});
}

std::string display_text(DcmItem& item, const DcmTagKey& tag) {
  std::string text = raw_text(item, tag);
  if (std::all_of(text.begin(), text.end(), is_plain)) return text;
  DcmSpecificCharacterSet charset;
  OFString converted;
  if (charset.selectCharacterSet(item).good() &&
      charset.convertString(text.data(), text.size(), converted, "\\").good()) {
    text.assign(converted.data(), converted.size());
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    // C1 controls, which are 0xc2 0x80 to 0xc2 0x9f in UTF-8, move some terminals too.
    for (std::size_t i = 0; i + 1 < text.size(); ++i)
      if (static_cast<unsigned char>(text[i]) == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0)
        text.replace(i, 2, " ");
  } else {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return !is_plain(c); }, '?');
  }
  return text;
}

bool is_uid(const std::string& text) {
  return !text.empty() && text.size() <= 64 && text.find_first_not_of("0123456789.") == std::string::npos &&
         text.front() != '.' && text.back() != '.' && text.find("..") == std::string::npos;
}

std::vector<std::string> split_values(const std::string& text) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('\\', start), text.size());
    parts.push_back(trimmed(std::string_view(text).substr(start, end - start)));
    start = end + 1;
  }
  return parts;
}

std::vector<double> parse_numbers(const std::string& text, const DcmTagKey& tag) {
  std::vector<double> values;
  for (const std::string& part : split_values(text)) values.push_back(parse(part, tag));
  return values;
}

std::vector<double> numbers(DcmItem& item, const DcmTagKey& tag) { return parse_numbers(raw_text(item, tag), tag); }

std::optional<double> number(DcmItem& item, const DcmTagKey& tag) {
  const std::vector<double> values = numbers(item, tag);
  if (values.empty()) return std::nullopt;
  if (values.size() > 1) throw Error(ErrorCode::dicom_bad_value, tag_name(tag) + " has more than one value");
  return values.front();
}

std::optional<double> number_if_good(DcmItem& item, const DcmTagKey& tag) {
  try {
    return number(item, tag);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::int64_t whole(DcmItem& item, const DcmTagKey& tag, std::int64_t low, std::int64_t high) {
  const std::string text = raw_text(item, tag);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high)
    bad_value(tag_name(tag) +
              (text.empty() ? " is missing"
                            : " is not a whole number from " + std::to_string(low) + " to " + std::to_string(high)));
  return value;
}

void bad_value(const std::string& what) { throw Error(ErrorCode::dicom_bad_value, what); }

bool is_rescale(double slope, double intercept) {
  constexpr double kMost = 1e12;
  return std::abs(slope) <= kMost && std::abs(intercept) <= kMost;
}

std::string brief(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, 4).ptr};
}

}  // namespace oncotome::dicom
