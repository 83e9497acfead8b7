// SPDX-License-Identifier: Apache-2.0
#include "sem.h"

#include <algorithm>
#include <set>

#include "oncotome/core/error.h"

namespace oncotome::sem {
namespace {

bool is_identifier(const std::string& text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

bool is_one_of(const std::string& text, const std::vector<std::string>& all) {
  return std::find(all.begin(), all.end(), text) != all.end();
}

/// Collects what is wrong with one module.
class Lint {
 public:
  explicit Lint(const Module& module) : module_(module) {}

  std::vector<std::string> run() {
    need(is_identifier(module_.name), "the module's name is no identifier");
    for (const auto& [what, text] : std::map<std::string, std::string>{{"category", module_.category},
                                                                       {"title", module_.title},
                                                                       {"description", module_.description},
                                                                       {"version", module_.version},
                                                                       {"license", module_.license},
                                                                       {"contributor", module_.contributor}})
      need(is_plain(text), what + " is empty or no plain line");
    for (const Group& group : module_.groups) {
      need(is_plain(group.label) && is_plain(group.description), "a group has no label or description");
      need(!group.parameters.empty(), "group " + group.label + " is empty");
      for (const Parameter& p : group.parameters) check(p, group);
    }
    for (std::size_t i = 0; i < indexes_.size(); ++i)
      need(indexes_.count(static_cast<int>(i)) > 0, "indexes are not 0, 1, 2, ...");
    need(groups_with_indexes_.size() <= 1, "indexes are spread over several groups, where nipype mixes them up");
    return std::move(problems_);
  }

 private:
  void need(bool holds, const std::string& problem) {
    if (!holds) problems_.push_back(problem);
  }

  // Quotes and backslashes would break the Python that nipype makes of descriptions.
  static bool is_plain(const std::string& text) {
    return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
    });
  }

  void check(const Parameter& p, const Group& group) {
    static const std::vector<std::string> kStandard{
        "help", "version", "xml", "echo", "processinformationaddress", "returnparameterfile"};
    const std::string who = "parameter " + p.name + ": ";
    need(is_identifier(p.name), who + "its name is no C identifier");
    need(names_.insert(p.name).second, who + "its name is not the only one of its kind");
    need(!is_one_of(p.name, kStandard), who + "it is called like a standard option");
    need(is_plain(p.label) && is_plain(p.description), who + "it has no label or description, or no plain line");
    need(!p.is_return() || !p.index, who + "a return parameter has no index");
    if (p.index) {
      need(indexes_.insert(*p.index).second, who + "its index is not the only one of its kind");
      need(!p.is_simple(), who + "only files have an index here");
      groups_with_indexes_.insert(&group);
    }
    if (!p.is_simple()) check_file(p, who);
    check_default(p, who);
  }

  void check_file(const Parameter& p, const std::string& who) {
    need(p.channel != Channel::none, who + "it is neither input nor output");
    need(p.default_value.empty(), who + "a file has no default");
    need((p.kind == Kind::image) == is_one_of(p.type, {"scalar", "label"}), who + "its type is not known");
    if (p.channel != Channel::output || p.kind == Kind::directory) return;
    need(p.file_extensions.size() > 1 && p.file_extensions[0] == '.', who + "an output has no fileExtensions");
    const Parameter* beside = module_.find(p.reference);
    need(beside != nullptr && beside->channel == Channel::input && beside->kind == Kind::image,
         who + "it refers to no input image");
  }

  void check_default(const Parameter& p, const std::string& who) {
    need((p.kind == Kind::choice) == !p.elements.empty(), who + "its elements do not fit its kind");
    need(std::set<std::string>(p.elements.begin(), p.elements.end()).size() == p.elements.size(),
         who + "two of its elements are the same");
    need(p.kind != Kind::boolean || p.default_value.empty() || p.default_value == "false",
         who + "a boolean is false unless its flag is given");
    if (p.kind == Kind::choice && !p.is_return()) need(!p.default_value.empty(), who + "a choice has no default");
    if (p.default_value.empty()) return;
    try {
      checked_value(p, p.default_value);
    } catch (const Error& e) {
      need(false, who + "its default is wrong: " + e.what());
    }
  }

  const Module& module_;
  std::vector<std::string> problems_;
  std::set<std::string> names_;
  std::set<int> indexes_;
  std::set<const Group*> groups_with_indexes_;
};

}  // namespace

Parameter::Parameter(Kind of_kind, std::string called, std::string shown_as, std::string meaning)
    : kind(of_kind), name(std::move(called)), label(std::move(shown_as)), description(std::move(meaning)) {}

Parameter& Parameter::in() {
  channel = Channel::input;
  return *this;
}

Parameter& Parameter::out(const std::string& beside, const std::string& extensions) {
  channel = Channel::output;
  reference = beside;
  file_extensions = extensions;
  return *this;
}

Parameter& Parameter::at(int place) {
  index = place;
  return *this;
}

Parameter& Parameter::of_type(const std::string& image_type) {
  type = image_type;
  return *this;
}

Parameter& Parameter::by_default(const std::string& value) {
  default_value = value;
  return *this;
}

Parameter& Parameter::between(double low, double high) {
  minimum = low;
  maximum = high;
  return *this;
}

Parameter& Parameter::one_of(std::vector<std::string> choices) {
  elements = std::move(choices);
  if (!elements.empty()) default_value = elements.front();
  return *this;
}

const Parameter* Module::find(const std::string& parameter) const {
  for (const Group& group : groups)
    for (const Parameter& p : group.parameters)
      if (p.name == parameter) return &p;
  return nullptr;
}

std::vector<std::string> problems(const Module& module) { return Lint(module).run(); }

}  // namespace oncotome::sem
