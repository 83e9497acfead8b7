// SPDX-License-Identifier: Apache-2.0
#include "module.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "guarded.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/core/process.h"
#include "report_json.h"

namespace oncotome::cli {
namespace {

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Within a tag: 3D Slicer looks for the next '<', and keeps 1023 bytes.
std::string tag_text(std::string_view text) {
  std::string out(text.substr(0, 1000));
  for (char& c : out)
    if (c == '<' || c == '>' || static_cast<unsigned char>(c) < 0x20) c = ' ';
  return out;
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    throw Error(ErrorCode::output_unwritable, "cannot write to stdout");
}

int fail(const sem::Module& module, const char* name, std::string what, int exit_code) {
  for (char& c : what)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  std::fprintf(stderr, "%s: error [%s]: %s\n", module.name.c_str(), name, what.c_str());
  return exit_code;
}

int fail(const sem::Module& module, const Error& e) { return fail(module, e.name(), e.what(), e.exit_code()); }

// A description that a client would stumble over is answered to nobody.
void check_description(const sem::Module& module) {
  std::string all;
  for (const std::string& problem : sem::problems(module)) all += (all.empty() ? "" : "; ") + problem;
  if (!all.empty()) throw Error(ErrorCode::internal, all);
}

void work_off(const sem::Module& module, const std::function<void(Run&)>& work, sem::Request request) {
  if (request.echo) print(sem::echo_text(module, request.values));
  keep_freed_memory();
  // ITK warns on stderr, where 3D Slicer sees an error.
  itk::Object::GlobalWarningDisplayOff();
  Run run(module, std::move(request.values));
  run.start();
  work(run);
  const std::string results = sem::return_text(module, run.results());
  if (request.return_parameter_file.empty())
    print(results);
  else
    write_file_atomically(request.return_parameter_file, true,
                          [&](const std::filesystem::path& temporary) { workflow::write_text(temporary, results); });
  run.end();
}

}  // namespace

Run::Run(const sem::Module& module, sem::Values given)
    : values(std::move(given)), name_(module.name), comment_(module.title), begin_s_(now_s()) {}

Job Run::part(double begin, double end) {
  return Job(
      [this, begin, end](std::string_view stage, double fraction) { tell(stage, begin + (end - begin) * fraction); });
}

void Run::tell(std::string_view stage, double fraction) {
  constexpr double kStep = 0.004;
  std::string text;
  if (stage != stage_) text = "<filter-comment>" + tag_text(stage) + "</filter-comment>\n";
  if (fraction > told_ + kStep || (fraction >= 1 && told_ < 1)) {
    told_ = std::min(fraction, 1.0);
    text += "<filter-progress>" + std::to_string(told_) + "</filter-progress>\n";
  }
  stage_ = stage;
  if (!text.empty()) print(text);
}

void Run::note(const std::string& text) { print("note: " + tag_text(text) + "\n"); }

void Run::start() const {
  print("<filter-start>\n<filter-name>" + name_ + "</filter-name>\n<filter-comment>" + tag_text(comment_) +
        "</filter-comment>\n</filter-start>\n<filter-progress>0</filter-progress>\n");
}

void Run::end() const {
  print("<filter-progress>1</filter-progress>\n<filter-end>\n<filter-name>" + name_ + "</filter-name>\n<filter-time>" +
        std::to_string(now_s() - begin_s_) + "</filter-time>\n</filter-end>\n");
}

sem::Module new_module(const std::string& name, const std::string& title, const std::string& description) {
  sem::Module module;
  module.name = name;
  module.title = title;
  module.description = description + " For research; not a medical device.";
  module.category = "Oncotome";
  module.version = ONCOTOME_VERSION;
  module.license = "Apache-2.0";
  module.contributor = "Oncotome";
  return module;
}

int run_module(const sem::Module& module, const std::function<void(Run&)>& work, int argc, char** argv) {
  using Action = sem::Request::Action;
  // 3D Slicer's own ITK has its plugins there, and another ITK must not load them.
  ::unsetenv("ITK_AUTOLOAD_PATH");
  // A full quota is an error to report. A closed stdout ends the program: whoever wanted the result is gone.
  std::signal(SIGXFSZ, SIG_IGN);
  const auto run = [&] {
    sem::Request request = sem::parse(module, {argv + std::min(1, argc), argv + argc});
    if (request.action == Action::xml) check_description(module);
    if (request.action == Action::xml)
      print(sem::xml(module));
    else if (request.action == Action::help)
      print(sem::help(module));
    else if (request.action == Action::version)
      print(module.name + " " + module.version + "\n");
    else
      work_off(module, work, std::move(request));
    return 0;
  };
  try {
    return workflow::guarded(ErrorCode::input_unreadable, run);
  } catch (const Error& e) {
    return fail(module, e);
  }
}

}  // namespace oncotome::cli
