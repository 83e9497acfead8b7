// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>

/// A JSON number becomes a whole number where it is one and the type holds it; else nlohmann::json::type_error is
/// thrown. By itself nlohmann-json cuts 2.5 to 2, wraps 258 to 2 in a byte, and has no defined behavior for 1e54. Every
/// file of the project includes nlohmann-json from here, so that it means the same everywhere.
template <class Integer>
struct nlohmann::adl_serializer<Integer,
                                std::enable_if_t<std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>>> {
  template <class Json>
  static void to_json(Json& j, Integer value) {
    nlohmann::to_json(j, value);
  }

  template <class Json>
  static void from_json(const Json& j, Integer& value) {
    if (j.is_number() && !is_held(j))
      throw Json::type_error::create(302, "a whole number is needed that the program can hold, not " + j.dump(), &j);
    nlohmann::from_json(j, value);
  }

 private:
  template <class Json>
  static bool is_held(const Json& j) {
    using Limits = std::numeric_limits<Integer>;
    if (j.is_number_float()) {
      const auto number = j.template get<double>(), end = std::ldexp(1.0, Limits::digits);
      return number == std::trunc(number) && number < end && number >= (Limits::is_signed ? -end : 0.0);
    }
    using Signed = typename Json::number_integer_t;
    using Unsigned = typename Json::number_unsigned_t;
    const auto most = static_cast<Unsigned>(Limits::max());
    if (j.is_number_unsigned()) return j.template get_ref<const Unsigned&>() <= most;
    const Signed number = j.template get_ref<const Signed&>();
    return number >= static_cast<Signed>(Limits::min()) && (number < 0 || static_cast<Unsigned>(number) <= most);
  }
};

namespace oncotome {

/// What recurses through the JSON of a file goes so deep at most.
constexpr int kDeepestJson = 64;

/// Json::parse() without exceptions: discarded for what is no JSON, or nested deeper than kDeepestJson.
template <class Json = nlohmann::json>
Json parse_json(const std::string& text, bool ignore_comments = false) {
  struct TooDeep {};
  const auto check = [](int depth, typename Json::parse_event_t, const Json&) {
    if (depth > kDeepestJson) throw TooDeep();
    return true;
  };
  try {
    return Json::parse(text, check, false, ignore_comments);
  } catch (const TooDeep&) {
    return Json(Json::value_t::discarded);
  }
}

}  // namespace oncotome
