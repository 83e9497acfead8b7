// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <locale>
#include <sstream>

#include "oncotome/core/error.h"
#include "sem.h"

namespace oncotome::sem {
namespace {

constexpr std::array<const char*, 10> kTags{
    "boolean",        "integer",       "double",    "string", "string-enumeration",
    "integer-vector", "string-vector", "directory", "image",  "table"};

std::string tag_of(const Parameter& p) { return kTags.at(static_cast<std::size_t>(p.kind)); }

std::string number(double value) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(15);
  text << value;
  return text.str();
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

/// Lines of XML.
class Writer {
 public:
  void open(const std::string& tag, const std::string& attributes = "") {
    line("<" + tag + attributes + ">");
    indent_ += 2;
  }
  void close(const std::string& tag) {
    indent_ -= 2;
    line("</" + tag + ">");
  }
  void element(const std::string& tag, const std::string& text) {
    line("<" + tag + ">" + escaped(text) + "</" + tag + ">");
  }
  void line(const std::string& text) { text_ += std::string(indent_, ' ') + text + "\n"; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::size_t indent_ = 0;
};

// In the order that CTK's schema asks for.
void write_parameter(Writer& out, const Parameter& p) {
  std::string attributes;
  const auto attribute = [&](const char* name, const std::string& value) {
    if (!value.empty()) attributes += std::string(" ") + name + "=\"" + value + "\"";
  };
  attribute("type", p.type);
  attribute("fileExtensions", p.file_extensions);
  attribute("reference", p.reference);
  out.open(tag_of(p), attributes);
  out.element("name", p.name);
  if (p.index)
    out.element("index", std::to_string(*p.index));
  else if (p.is_option())
    out.element("longflag", p.name);
  out.element("description", p.description);
  out.element("label", p.label);
  if (!p.default_value.empty()) out.element("default", p.default_value);
  if (p.channel != Channel::none) out.element("channel", p.channel == Channel::input ? "input" : "output");
  if (p.minimum) {
    out.open("constraints");
    out.element("minimum", number(*p.minimum));
    out.element("maximum", number(*p.maximum));
    out.element("step", "1");
    out.close("constraints");
  }
  for (const std::string& element : p.elements) out.element("element", element);
  out.close(tag_of(p));
}

constexpr std::size_t kWidth = 100, kColumn = 30;

// Text from a column on, in lines of kWidth.
void wrap(std::string& out, std::size_t used, const std::string& text) {
  std::istringstream words(text);
  std::size_t at = used;
  if (used >= kColumn) {
    out += "\n";
    at = 0;
  }
  for (std::string word; words >> word;) {
    if (at > kColumn && at + 1 + word.size() > kWidth) {
      out += "\n";
      at = 0;
    }
    const std::size_t gap = at < kColumn ? kColumn - at : 1;
    out += std::string(gap, ' ') + word;
    at += gap + word.size();
  }
  out += "\n";
}

std::string help_value(const Parameter& p) {
  switch (p.kind) {
    case Kind::boolean:
      return "";
    case Kind::choice: {
      std::string all;
      for (const std::string& element : p.elements) all += (all.empty() ? "" : "|") + element;
      return " " + all;
    }
    case Kind::integer:
    case Kind::real:
      return " NUMBER";
    case Kind::integer_list:
    case Kind::text_list:
      return " A,B,...";
    case Kind::directory:
      return " FOLDER";
    case Kind::image:
    case Kind::table:
      return " FILE";
    case Kind::text:
      break;
  }
  return " TEXT";
}

std::string help_meaning(const Parameter& p) {
  std::string out = p.description;
  if (p.minimum) out += " From " + number(*p.minimum) + " to " + number(*p.maximum) + ".";
  if (!p.file_extensions.empty() && p.channel == Channel::output) out += " Ends in " + p.file_extensions + ".";
  if (p.kind != Kind::boolean && !p.default_value.empty()) out += " Default: " + p.default_value + ".";
  return out;
}

}  // namespace

std::string xml(const Module& m) {
  Writer out;
  out.line("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
  out.open("executable");
  out.element("category", m.category);
  out.element("title", m.title);
  out.element("description", m.description);
  out.element("version", m.version);
  out.element("license", m.license);
  out.element("contributor", m.contributor);
  if (!m.acknowledgements.empty()) out.element("acknowledgements", m.acknowledgements);
  for (const Group& group : m.groups) {
    out.open("parameters", group.advanced ? " advanced=\"true\"" : "");
    out.element("label", group.label);
    out.element("description", group.description);
    for (const Parameter& p : group.parameters) write_parameter(out, p);
    out.close("parameters");
  }
  out.close("executable");
  return out.text();
}

std::string help(const Module& m) {
  std::vector<const Parameter*> places;
  for (const Group& group : m.groups)
    for (const Parameter& p : group.parameters)
      if (p.index) places.push_back(&p);
  std::sort(places.begin(), places.end(), [](const Parameter* a, const Parameter* b) { return *a->index < *b->index; });
  std::string out = m.title + "\n" + m.description + "\n\nUsage: " + m.name + " [OPTIONS]";
  for (const Parameter* p : places) out += " " + p->name;
  out += "\n";
  const auto entry = [&out](const std::string& what, const std::string& meaning) {
    const std::string head = "  " + what;
    out += head;
    wrap(out, head.size(), meaning);
  };
  for (const Group& group : m.groups) {
    out += "\n" + group.label + ": " + group.description + "\n";
    for (const Parameter& p : group.parameters)
      entry(p.index ? p.name : p.is_return() ? p.name + " =" : "--" + p.name + help_value(p), help_meaning(p));
  }
  out += "\nOf every command line module of 3D Slicer:\n";
  entry("--help, -h", "This text.");
  entry("--version", "The version.");
  entry("--xml", "The description of the parameters in XML.");
  entry("--echo", "Prints the parameters before the work begins.");
  entry("--returnparameterfile FILE", "Where the results with a = are written, one a line.");
  entry("--processinformationaddress A", "Accepted and ignored: it means something within 3D Slicer's process only.");
  out +=
      "\nExit codes: 0 done, 2 wrong usage, 10-14 input, 40-43 channels and preconditions, 50-54 model,\n"
      "60-62 device and memory, 71-72 output.\n";
  return out;
}

std::string echo_text(const Module& module, const Values& values) {
  std::string out = "Command line arguments:\n";
  for (const Group& group : module.groups)
    for (const Parameter& p : group.parameters)
      if (!p.is_return()) out += "    " + p.name + ": " + values.text(p.name) + "\n";
  return out;
}

std::string return_text(const Module& module, const std::map<std::string, std::string>& results) {
  std::string out;
  std::size_t count = 0;
  for (const Group& group : module.groups)
    for (const Parameter& p : group.parameters) {
      if (!p.is_return()) continue;
      const auto found = results.find(p.name);
      if (found == results.end()) throw Error(ErrorCode::internal, "return parameter " + p.name + " has no value");
      std::string value = found->second;
      std::replace(value.begin(), value.end(), '\n', ' ');
      out += p.name + " = " + value + "\n";
      ++count;
    }
  if (count != results.size()) throw Error(ErrorCode::internal, "a result is no return parameter");
  return out;
}

}  // namespace oncotome::sem
