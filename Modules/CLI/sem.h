// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// The Slicer Execution Model (SlicerExecutionModel's ModuleDescriptionParser): a program that describes its parameters
/// once, from which its XML, its --help and its parser come.
namespace oncotome::sem {

/// The XML element of a parameter.
enum class Kind { boolean, integer, real, text, choice, integer_list, text_list, directory, image, table };

enum class Channel { none, input, output };

/// One parameter. With an index it is an argument at that place and must be given; of a simple kind with the output
/// channel it is a return parameter; else it is an option, --name.
struct Parameter {
  Kind kind;
  std::string name;  ///< A C identifier.
  std::string label, description;
  Channel channel = Channel::none;
  std::optional<int> index;
  std::string default_value;               ///< As it would be on the command line; empty: none.
  std::optional<double> minimum, maximum;  ///< Of numbers, inclusive.
  std::vector<std::string> elements;       ///< Of a choice.
  std::string type;                        ///< Of an image: scalar or label.
  std::string file_extensions;             ///< Such as ".csv,.tsv"; 3D Slicer writes and reads the first.
  std::string reference;                   ///< Input image that 3D Slicer lists an output with.

  Parameter(Kind of_kind, std::string called, std::string shown_as, std::string meaning);

  Parameter& in();
  Parameter& out(const std::string& beside = "", const std::string& extensions = "");
  Parameter& at(int place);
  Parameter& of_type(const std::string& image_type);
  Parameter& by_default(const std::string& value);
  Parameter& between(double low, double high);
  /// The first is the default.
  Parameter& one_of(std::vector<std::string> choices);

  /// Neither a file nor a folder.
  bool is_simple() const { return kind != Kind::directory && kind != Kind::image && kind != Kind::table; }
  bool is_return() const { return channel == Channel::output && is_simple(); }
  bool is_option() const { return !index && !is_return(); }
};

struct Group {
  std::string label, description;
  bool advanced = false;
  std::vector<Parameter> parameters;
};

/// What a program says of itself.
struct Module {
  std::string name;  ///< Of the executable.
  std::string category, title, description, version, license, contributor, acknowledgements;
  std::vector<Group> groups;

  const Parameter* find(const std::string& parameter) const;
};

/// What 3D Slicer, CTK or nipype would stumble over and SlicerExecutionModel's parser does not tell; empty when sound.
std::vector<std::string> problems(const Module& module);

/// The module's XML, and the text of --help.
std::string xml(const Module& module);
std::string help(const Module& module);

/// Parameters as they were given or are by default; every name must be one of the module's, and of that kind.
class Values {
 public:
  bool flag(const std::string& name) const { return get(name, Kind::boolean) == "true"; }
  int integer(const std::string& name) const;
  double real(const std::string& name) const;
  /// Of any kind; empty where it was not given and has no default.
  const std::string& text(const std::string& name) const;
  std::vector<int> integers(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;

 private:
  friend class Parser;
  const std::string& get(const std::string& name, Kind kind) const;

  std::map<std::string, std::pair<Kind, std::string>> values_;
};

/// What a command line asks for.
struct Request {
  enum class Action { run, help, version, xml } action = Action::run;
  bool echo = false;
  std::string return_parameter_file;
  Values values;
};

/// A value as Values hold it. Throws Error{usage} for one that the parameter cannot have.
std::string checked_value(const Parameter& parameter, const std::string& value);

/// Reads the arguments after the program's name: --name VALUE, --name=VALUE, bare --name of a boolean, and arguments by
/// their place; lists with or without spaces after their commas. Throws Error{usage}.
Request parse(const Module& module, const std::vector<std::string>& arguments);

/// What --echo prints: one "name: value" a line.
std::string echo_text(const Module& module, const Values& values);

/// Return parameters in the module's order, one "name = value" a line. Throws Error{internal} unless they are the
/// module's, all of them.
std::string return_text(const Module& module, const std::map<std::string, std::string>& results);

}  // namespace oncotome::sem
