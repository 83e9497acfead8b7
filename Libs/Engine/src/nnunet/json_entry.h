// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"

namespace oncotome::engine::nnunet {

/// A value of plans.json or dataset.json that knows where it stands: what is not as expected is refused with
/// Error{model_invalid} that says so.
class JsonEntry {
 public:
  JsonEntry(const nlohmann::ordered_json& value, std::string where) : value_(&value), where_(std::move(where)) {}

  const nlohmann::ordered_json& value() const { return *value_; }

  [[noreturn]] void refuse(const std::string& why) const { fail(ErrorCode::model_invalid, where_ + " " + why); }
  [[noreturn]] void refuse_unknown() const {
    fail(ErrorCode::model_unsupported,
         where_ + " is " + value_->dump(-1, ' ', true, kReplace).substr(0, 100) + ", which Oncotome does not know");
  }

  /// Nothing where the key is absent or null.
  std::optional<JsonEntry> find(const std::string& key) const {
    if (!value_->is_object()) refuse("must be an object");
    const auto found = value_->find(key);
    if (found == value_->end() || found->is_null()) return std::nullopt;
    return JsonEntry(*found, where_ + (where_.back() == ':' ? " " : ".") + key);
  }
  JsonEntry at(const std::string& key) const {
    const auto found = find(key);
    if (!found) refuse("lacks '" + key + "'");
    return *found;
  }
  std::vector<JsonEntry> items(std::size_t least, std::size_t most) const {
    if (!value_->is_array() || value_->size() < least || value_->size() > most)
      refuse("must be a list of " + std::to_string(least) + (least == most ? "" : " to " + std::to_string(most)) +
             " entries");
    std::vector<JsonEntry> all;
    for (const auto& item : *value_) all.emplace_back(item, where_);
    return all;
  }
  double number(double least, double most) const {
    if (!value_->is_number()) refuse("must be a number");
    const auto number = value_->get<double>();
    if (!(number >= least && number <= most)) refuse("must lie between " + text_of(least) + " and " + text_of(most));
    return number;
  }
  std::int64_t whole(std::int64_t least, std::int64_t most) const {
    const double value = number(static_cast<double>(least), static_cast<double>(most));
    if (value != std::floor(value)) refuse("must be a whole number");
    return static_cast<std::int64_t>(value);
  }
  bool flag() const {
    if (!value_->is_boolean()) refuse("must be true or false");
    return value_->get<bool>();
  }
  std::string text() const {
    if (!value_->is_string()) refuse("must be a text");
    return value_->get<std::string>();
  }
  /// The last part of a dotted Python name: classes move between modules.
  std::string last_name() const {
    const std::string name = text();
    return name.substr(name.rfind('.') + 1);
  }

 private:
  static constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  // Names in a file may hold line ends.
  [[noreturn]] static void fail(ErrorCode code, std::string message) {
    for (char& c : message)
      if (static_cast<unsigned char>(c) < ' ') c = '?';
    throw Error(code, message);
  }
  static std::string text_of(double value) { return nlohmann::ordered_json(value).dump(); }

  const nlohmann::ordered_json* value_;
  std::string where_;
};

}  // namespace oncotome::engine::nnunet
