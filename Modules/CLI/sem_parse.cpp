// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <set>

#include "oncotome/core/error.h"
#include "sem.h"

namespace oncotome::sem {
namespace {

[[noreturn]] void misused(const std::string& why) { throw Error(ErrorCode::usage, why + "; see --help"); }

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// Without spaces round the parts.
std::vector<std::string> parts_of(const std::string& list) {
  std::vector<std::string> parts;
  if (trimmed(list).empty()) return parts;
  for (std::size_t begin = 0, comma = 0; comma != std::string::npos; begin = comma + 1) {
    comma = list.find(',', begin);
    parts.push_back(trimmed(list.substr(begin, comma == std::string::npos ? comma : comma - begin)));
  }
  return parts;
}

// Whatever the locale; a leading plus is no part of what from_chars reads.
template <class T>
std::optional<T> number_of(const std::string& text) {
  const std::string whole = trimmed(text);
  const char* begin = whole.data() + (whole.size() > 1 && whole[0] == '+' && whole[1] != '-' ? 1 : 0);
  const char* end = whole.data() + whole.size();
  T value{};
  const auto [at, error] = std::from_chars(begin, end, value);
  if (error != std::errc{} || at != end || begin == end) return std::nullopt;
  return value;
}

void check_range(const Parameter& p, double value) {
  // Not a number lies in no range.
  if (p.minimum && !(value >= *p.minimum && value <= *p.maximum)) misused(p.name + " is out of its range");
}

}  // namespace

std::string checked_value(const Parameter& p, const std::string& value) {
  switch (p.kind) {
    case Kind::boolean:
      if (value != "true" && value != "false") misused(p.name + " is true or false");
      return value;
    case Kind::integer: {
      const auto whole = number_of<int>(value);
      if (!whole) misused(p.name + " must be a whole number");
      check_range(p, *whole);
      return trimmed(value);
    }
    case Kind::real: {
      const auto real = number_of<double>(value);
      if (!real) misused(p.name + " must be a number");
      check_range(p, *real);
      return trimmed(value);
    }
    case Kind::choice: {
      if (std::find(p.elements.begin(), p.elements.end(), value) != p.elements.end()) return value;
      std::string all;
      for (const std::string& element : p.elements) all += (all.empty() ? "" : ", ") + element;
      misused(p.name + " must be one of " + all);
    }
    case Kind::integer_list:
    case Kind::text_list: {
      std::string joined;
      for (const std::string& part : parts_of(value)) {
        if (part.empty()) misused(p.name + ": there is nothing between two commas");
        if (p.kind == Kind::integer_list) {
          const auto whole = number_of<int>(part);
          if (!whole) misused(p.name + " must be whole numbers with commas between them");
          check_range(p, *whole);
        }
        joined += (joined.empty() ? "" : ",") + part;
      }
      return joined;
    }
    case Kind::text:
    case Kind::directory:
    case Kind::image:
    case Kind::table:
      break;
  }
  return value;
}

/// One command line on its way to a Request.
class Parser {
 public:
  explicit Parser(const Module& module) : module_(module) {
    for (const Group& group : module.groups)
      for (const Parameter& p : group.parameters) {
        request_.values.values_[p.name] = {p.kind, p.default_value};
        if (p.index) places_[*p.index] = &p;
      }
  }

  Request parse(const std::vector<std::string>& arguments) {
    if (wants_to_know(arguments)) return std::move(request_);
    bool only_places = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      if (only_places || argument.size() < 2 || argument[0] != '-')
        place(argument);
      else if (argument == "--")
        only_places = true;
      else
        i += option(argument, i + 1 < arguments.size() ? &arguments[i + 1] : nullptr);
    }
    if (next_place_ < places_.size()) misused(places_.at(static_cast<int>(next_place_))->name + " is missing");
    return std::move(request_);
  }

 private:
  // Questions are answered however the rest of the line looks.
  bool wants_to_know(const std::vector<std::string>& arguments) {
    using Action = Request::Action;
    for (const std::string& argument : arguments) {
      if (argument == "--") break;
      if (argument == "--xml") request_.action = Action::xml;
      if (argument == "--help" || argument == "-h") request_.action = Action::help;
      if (argument == "--version") request_.action = Action::version;
      if (request_.action != Action::run) return true;
    }
    return false;
  }

  void place(const std::string& argument) {
    const auto found = places_.find(static_cast<int>(next_place_++));
    if (found == places_.end()) misused("there are more arguments than places for them");
    request_.values.values_[found->second->name].second = checked_value(*found->second, argument);
  }

  // Returns how many of the arguments that follow were its value.
  std::size_t option(const std::string& argument, const std::string* next) {
    const std::size_t equals = argument.find('=');
    const std::string name = argument.compare(0, 2, "--") == 0 ? argument.substr(2, equals - 2) : "";
    const bool has_value = equals != std::string::npos;
    const Parameter* p = module_.find(name);
    const bool is_echo = name == "echo", is_address = name == "processinformationaddress",
               is_file = name == "returnparameterfile";
    if (!is_echo && !is_address && !is_file && (p == nullptr || !p->is_option()))
      misused("there is no option " + argument.substr(0, equals));
    if (!given_.insert(name).second) misused("--" + name + " is given twice");
    if (is_echo || (p != nullptr && p->kind == Kind::boolean)) {
      if (has_value) misused("--" + name + " takes no value");
      if (is_echo)
        request_.echo = true;
      else
        request_.values.values_[name].second = "true";
      return 0;
    }
    if (!has_value && next == nullptr) misused("--" + name + " needs a value");
    const std::string value = has_value ? argument.substr(equals + 1) : *next;
    if (is_file)
      request_.return_parameter_file = value;
    else if (!is_address)
      request_.values.values_[name].second = checked_value(*p, value);
    return has_value ? 0 : 1;
  }

  const Module& module_;
  Request request_;
  std::map<int, const Parameter*> places_;
  std::set<std::string> given_;
  std::size_t next_place_ = 0;
};

Request parse(const Module& module, const std::vector<std::string>& arguments) {
  return Parser(module).parse(arguments);
}

const std::string& Values::text(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw Error(ErrorCode::internal, "there is no parameter " + name);
  return found->second.second;
}

const std::string& Values::get(const std::string& name, Kind kind) const {
  const auto found = values_.find(name);
  if (found == values_.end() || found->second.first != kind)
    throw Error(ErrorCode::internal, "there is no parameter " + name + " of this kind");
  return found->second.second;
}

int Values::integer(const std::string& name) const { return number_of<int>(get(name, Kind::integer)).value_or(0); }

double Values::real(const std::string& name) const { return number_of<double>(get(name, Kind::real)).value_or(0); }

std::vector<int> Values::integers(const std::string& name) const {
  std::vector<int> out;
  for (const std::string& part : parts_of(get(name, Kind::integer_list))) out.push_back(*number_of<int>(part));
  return out;
}

std::vector<std::string> Values::texts(const std::string& name) const { return parts_of(get(name, Kind::text_list)); }

}  // namespace oncotome::sem
