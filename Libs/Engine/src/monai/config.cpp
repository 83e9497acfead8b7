// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <cctype>
#include <cmath>
#include <optional>

#include "oncotome/core/error.h"

namespace oncotome::engine::monai {
namespace {

constexpr int kDeepest = 32;
constexpr std::size_t kMost = 100000, kMostBytes = std::size_t{64} << 20, kLongestSum = 4096;

[[noreturn]] void invalid(const std::string& why) { throw Error(ErrorCode::model_invalid, "inference.json: " + why); }
[[noreturn]] void unsupported(const std::string& why) {
  throw Error(ErrorCode::model_unsupported, "inference.json: " + why);
}

bool is_true(const Json& j) {
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number()) return j.get<double>() != 0;
  if (j.is_string()) return !j.get_ref<const std::string&>().empty();
  return !j.is_null() && !j.empty();
}

// About what a copy takes.
std::size_t bytes_of(const Json& j) {
  std::size_t bytes = sizeof(Json);
  if (j.is_string()) bytes += j.get_ref<const std::string&>().size();
  if (j.is_array())
    for (const Json& item : j) bytes += bytes_of(item);
  if (j.is_object())
    for (const auto& [key, item] : j.items()) bytes += sizeof(std::string) + key.size() + bytes_of(item);
  return bytes;
}

class Expression {
 public:
  Expression(const Config& config, const std::string& text, int depth) : config_(config), text_(text), depth_(depth) {}

  Json read() {
    Json out = choice();
    skip();
    if (i_ != text_.size()) give_up();
    return out;
  }

 private:
  [[noreturn]] void give_up() const { unsupported("the expression '$" + shown(text_) + "' is not understood"); }

  void skip() {
    while (i_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[i_])) != 0) ++i_;
  }
  bool take(const std::string& token) {
    skip();
    if (text_.compare(i_, token.size(), token) != 0) return false;
    const bool word = std::isalpha(static_cast<unsigned char>(token[0])) != 0;
    if (word && i_ + token.size() < text_.size() && is_name(text_[i_ + token.size()])) return false;
    i_ += token.size();
    return true;
  }
  static bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

  Json choice() {
    if (++nested_ > kDeepest) give_up();
    Json yes = sum();
    if (take("if")) {
      const bool chosen = is_true(sum());
      if (!take("else")) give_up();
      Json no = choice();
      if (!chosen) yes = std::move(no);
    }
    --nested_;
    return yes;
  }

  static void check_sum(std::size_t size) {
    if (size > kLongestSum) invalid("a sum of texts or lists is longer than " + std::to_string(kLongestSum));
  }
  // Two of these have a sum that fits.
  static bool is_whole(const Json& j) { return j.is_number_integer() && std::abs(j.get<double>()) < 0x1p62; }

  Json sum() {
    Json left = atom();
    while (take("+")) {
      const Json right = atom();
      if (left.is_array() && right.is_array()) {
        check_sum(left.size() + right.size());
        left.insert(left.end(), right.begin(), right.end());
      } else if (left.is_string() && right.is_string()) {
        const auto& more = right.get_ref<const std::string&>();
        check_sum(left.get_ref<const std::string&>().size() + more.size());
        left.get_ref<std::string&>() += more;
      } else if (is_whole(left) && is_whole(right))
        left = left.get<std::int64_t>() + right.get<std::int64_t>();
      else if (left.is_number() && right.is_number())
        left = left.get<double>() + right.get<double>();
      else
        give_up();
    }
    return left;
  }

  Json atom() {
    skip();
    if (take("True")) return true;
    if (take("False")) return false;
    if (take("None")) return nullptr;
    if (take("len(")) {
      const Json of = choice();
      if (!take(")") || !of.is_structured()) give_up();
      return of.size();
    }
    if (take("(")) return list(")");
    if (take("[")) return list("]");
    if (i_ >= text_.size()) give_up();
    const char c = text_[i_];
    if (c == '@') return reference();
    if (c == '\'' || c == '"') {
      const std::size_t end = text_.find(c, i_ + 1);
      if (end == std::string::npos) give_up();
      const std::string inner = text_.substr(i_ + 1, end - i_ - 1);
      if (inner.find('\\') != std::string::npos) give_up();
      i_ = end + 1;
      return inner;
    }
    if (c != '-' && c != '.' && std::isdigit(static_cast<unsigned char>(c)) == 0) give_up();
    std::size_t end = i_ + 1;
    while (end < text_.size() && (is_name(text_[end]) || text_[end] == '.')) ++end;
    Json number = Json::parse(text_.substr(i_, end - i_), nullptr, false);
    if (!number.is_number()) give_up();
    i_ = end;
    return number;
  }

  Json list(const char* end) {
    Json out = Json::array();
    bool comma = false;
    while (!take(end)) {
      out.push_back(choice());
      comma = take(",");
      if (!comma) {
        if (!take(end)) give_up();
        break;
      }
    }
    return *end == ')' && out.size() == 1 && !comma ? out[0] : out;
  }

  Json reference() {
    std::size_t end = ++i_;
    while (end < text_.size() && (is_name(text_[end]) || text_[end] == '#' || text_.compare(end, 2, "::") == 0))
      end += text_[end] == ':' ? 2 : 1;
    const std::string path = text_.substr(i_, end - i_);
    i_ = end;
    return config_.at(path, depth_ + 1);
  }

  const Config& config_;
  const std::string text_;
  const int depth_;
  std::size_t i_ = 0;
  int nested_ = 0;
};

}  // namespace

std::string shown(const std::string& text) {
  std::string out = text.substr(0, 60);
  for (char& c : out)
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) > 126) c = '?';
  return out.size() < text.size() ? out + "..." : out;
}

Json Config::at(const std::string& path, int depth) const {
  if (depth > kDeepest) invalid("a reference leads back to itself at '" + shown(path) + "'");
  const Json* here = &root_;
  Json held;
  for (std::size_t i = 0; i <= path.size();) {
    const std::size_t end = std::min(path.find('#', i), path.find("::", i));
    const std::string key = path.substr(i, end == std::string::npos ? end : end - i);
    if (here->is_array() && !key.empty() && key.size() < 7 &&
        key.find_first_not_of("0123456789") == std::string::npos && std::stoul(key) < here->size())
      here = &(*here)[std::stoul(key)];
    else if (here->is_object() && here->contains(key))
      here = &here->at(key);
    else
      invalid("it refers to '" + shown(path) + "', which is not there");
    Json next = value(*here, depth + 1);
    held = std::move(next);
    here = &held;
    if (end == std::string::npos) break;
    i = end + (path[end] == '#' ? 1 : 2);
  }
  return held;
}

Json Config::value(const Json& written, int depth) const {
  if (depth > kDeepest || ++looked_up_ > kMost) invalid("its references are nested too deep");
  bytes_ += bytes_of(written);
  if (bytes_ > kMostBytes) invalid("its references make more than 64 MiB");
  if (!written.is_string()) return written;
  const auto text = written.get<std::string>();
  if (text.size() > 1 && text[0] == '@') return at(text.substr(1), depth + 1);
  if (text.size() > 1 && text[0] == '%') unsupported("the macro '" + shown(text) + "' is not known");
  if (text.size() > 1 && text[0] == '$') return Expression(*this, text.substr(1), depth).read();
  return written;
}

Json Config::all(const Json& written, int depth) const {
  Json out = value(written, depth);
  if (out.is_structured())
    for (auto& item : out) item = all(item, depth + 1);
  return out;
}

Component::Component(const Config& config, Json written) {
  written = config.value(written);
  if (!written.is_object() || !written.contains("_target_") || !written.at("_target_").is_string())
    unsupported("'" + shown(written.dump()) + "' is no component with a _target_");
  const auto target = written.at("_target_").get<std::string>();
  name_ = shown(target.substr(target.rfind('.') + 1));
  arguments_ = Json::object();
  for (const auto& [key, argument] : written.items()) {
    // What cannot be resolved is refused only where it is asked for.
    try {
      arguments_[key] = config.all(argument);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::model_unsupported) throw;
      arguments_[key] = argument;
    }
  }
}

bool Component::disabled() { return flag("_disabled_", false); }

const Json* Component::find(const std::string& key) {
  known_.insert(key);
  const auto found = arguments_.find(key);
  return found == arguments_.end() || found->is_null() ? nullptr : &*found;
}

void Component::expect(const std::string& key, const Json& standard) {
  const Json* given = find(key);
  if (given != nullptr && *given != standard)
    refuse("'" + shown(key) + "' = " + shown(given->dump()) + " is not known");
}

bool Component::flag(const std::string& key, bool standard) {
  const Json* j = find(key);
  if (j == nullptr) return standard;
  if (j->is_boolean()) return j->get<bool>();
  if (j->is_string() && (*j == "True" || *j == "true")) return true;
  refuse("'" + key + "' is neither true nor false");
}

std::optional<double> Component::number(const std::string& key) {
  const Json* j = find(key);
  if (j == nullptr) return std::nullopt;
  if (!j->is_number() || !std::isfinite(j->get<double>())) refuse("'" + key + "' is no number");
  return j->get<double>();
}

double Component::number(const std::string& key, double standard) { return number(key).value_or(standard); }

std::int64_t Component::integer(const std::string& key, std::int64_t standard) {
  const double value = number(key, static_cast<double>(standard));
  if (value != std::floor(value) || std::abs(value) > 1e6) refuse("'" + key + "' is no whole number up to a million");
  return static_cast<std::int64_t>(value);
}

std::string Component::text(const std::string& key, const std::string& standard) {
  const Json* j = find(key);
  if (j == nullptr) return standard;
  const Json& one = j->is_array() && j->size() == 1 ? (*j)[0] : *j;
  if (!one.is_string()) refuse("'" + key + "' is no text");
  return one.get<std::string>();
}

std::vector<double> Component::numbers(const std::string& key) {
  const Json* j = find(key);
  if (j == nullptr) return {};
  std::vector<double> out;
  for (const Json& item : j->is_array() ? *j : Json::array({*j})) {
    if (item.is_null())
      out.push_back(0);
    else if (item.is_number() && std::isfinite(item.get<double>()))
      out.push_back(item.get<double>());
    else
      refuse("'" + key + "' holds what is no number");
  }
  if (out.empty() || out.size() > 4096) refuse("'" + key + "' is empty or too long");
  return out;
}

void Component::done() const {
  for (const auto& [key, argument] : arguments_.items())
    if (known_.count(key) == 0 && !argument.is_null()) refuse("its argument '" + shown(key) + "' is not known");
}

void Component::refuse(const std::string& why) const { unsupported(name_ + ": " + why); }

}  // namespace oncotome::engine::monai
