// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "oncotome/core/json.h"

namespace oncotome::engine::monai {

using Json = nlohmann::ordered_json;

/// A bundle's configuration. References "@a#b" and "@a::b" are followed; of "$" expressions only literals, references,
/// lists, +, len() and `x if y else z` are understood. Nothing is executed.
class Config {
 public:
  explicit Config(Json root) : root_(std::move(root)) {}

  bool contains(const std::string& key) const { return root_.contains(key); }
  /// What the key stands for, with its members as they are written. Throws Error{model_invalid, model_unsupported}.
  Json at(const std::string& path, int depth = 0) const;
  /// The value that a reference or an expression stands for, with its members as they are written.
  Json value(const Json& written, int depth = 0) const;
  /// The same, with its members too.
  Json all(const Json& written, int depth = 0) const;

 private:
  const Json root_;
  mutable std::size_t looked_up_ = 0, bytes_ = 0;
};

/// The arguments of an object with a "_target_". Each is asked for by name; done() refuses what nobody asked for.
class Component {
 public:
  Component(const Config& config, Json written);

  /// Last part of "_target_", such as "Spacingd".
  const std::string& name() const { return name_; }
  bool disabled();
  bool has(const std::string& key) const { return arguments_.contains(key); }
  /// Absent where it is not there or null.
  const Json* find(const std::string& key);
  /// Arguments that change nothing here.
  void ignore(const std::vector<std::string>& keys) { known_.insert(keys.begin(), keys.end()); }
  /// Refuses another value than MONAI's default.
  void expect(const std::string& key, const Json& standard);

  bool flag(const std::string& key, bool standard);
  double number(const std::string& key, double standard);
  std::optional<double> number(const std::string& key);
  std::int64_t integer(const std::string& key, std::int64_t standard);
  std::string text(const std::string& key, const std::string& standard);
  /// One value for all, or a list.
  std::vector<double> numbers(const std::string& key);
  /// Throws Error{model_unsupported} that names an argument that is left.
  void done() const;
  /// Throws Error{model_unsupported}: the component's name and why.
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  std::string name_;
  Json arguments_;
  std::set<std::string> known_{"_target_", "_disabled_", "_desc_", "_requires_"};
};

/// A name or text of the file, cut short and without control characters, for a message.
std::string shown(const std::string& text);

}  // namespace oncotome::engine::monai
