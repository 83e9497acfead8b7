// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"

namespace oncotome::training {

/// A JSON object read key by key; what is left over is an error, and so is a value of another type. Throws
/// Error{usage} that names the key.
class Fields {
 public:
  Fields(const nlohmann::json& object, std::string place) : object_(object), place_(std::move(place)) {
    if (!object.is_object()) refuse("", "must be an object");
  }

  bool has(const char* key) {
    seen_.insert(key);
    return object_.contains(key);
  }

  template <class T>
  T get(const char* key) {
    if (!has(key)) refuse(key, "is missing");
    return convert<T>(key);
  }

  template <class T>
  T get(const char* key, T otherwise) {
    return has(key) ? convert<T>(key) : otherwise;
  }

  double number(const char* key, double otherwise, double least, double most) {
    const double value = get(key, otherwise);
    if (!(value >= least && value <= most))
      refuse(key, "must lie between " + nlohmann::json(least).dump() + " and " + nlohmann::json(most).dump());
    return value;
  }

  int integer(const char* key, int otherwise, int least, int most) {
    const double value = number(key, otherwise, least, most);
    if (value != static_cast<int>(value)) refuse(key, "must be a whole number");
    return static_cast<int>(value);
  }

  /// An object in it, empty where it is not there.
  Fields inner(const char* key) {
    static const nlohmann::json none = nlohmann::json::object();
    return {has(key) ? object_.at(key) : none, place_ + key + "."};
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& why) const {
    throw Error(ErrorCode::usage, "the configuration's \"" + place_ + key + "\" " + why);
  }

  /// Throws for a key that nobody asked for, and tells those that somebody did.
  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (seen_.count(key) > 0) continue;
      std::string known;
      for (const std::string& name : seen_) known += (known.empty() ? "" : ", ") + name;
      refuse(key, "is not known; known here are " + known);
    }
  }

 private:
  template <class T>
  T convert(const char* key) const {
    try {
      return object_.at(key).get<T>();
    } catch (const nlohmann::json::exception&) {
      refuse(key, "has the wrong type");
    }
  }

  const nlohmann::json& object_;
  const std::string place_;
  std::set<std::string> seen_;
};

}  // namespace oncotome::training
