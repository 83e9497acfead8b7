// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>

#include "commands.h"
#include "guarded.h"
#include "oncotome/core/error.h"

namespace {

// One line whatever the text holds: what comes from a file may carry line ends and terminal codes.
int fail(const char* name, std::string what, int exit_code) {
  for (char& c : what)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  std::fprintf(stderr, "oncotome: error [%s]: %s\n", name, what.c_str());
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace oncotome;
  // A full quota and a closed pipe are errors to report, not reasons to die.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app(
      "Finds, outlines and measures tumors in medical images: a DICOM study in; DICOM SEG and SR, pictures and a "
      "report out.\nFor research; not a medical device.",
      "oncotome");
  app.set_version_flag("--version", "oncotome " ONCOTOME_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_help_all_flag("--help-all", "Help of every subcommand");
  apps::Common common;
  app.add_flag("-q,--quiet", common.quiet, "No progress");
  app.add_flag("--json", common.json, "The result as JSON on stdout")->group("");
  apps::add_segment(app, common);
  apps::add_classify(app, common);
  apps::add_explain(app, common);
  apps::add_predict(app, common);
  apps::add_inspect(app, common);
  apps::add_convert(app, common);
  apps::add_evaluate(app, common);
  apps::add_deidentify(app, common);
  apps::add_models(app, common);
  apps::add_train(app, common);
  apps::add_doctor(app, common);
  apps::add_bench(app, common);
  app.footer(
      "Exit codes: 0 done (a study without a lesion too), 2 wrong usage, 10-14 input, 20-30 DICOM that cannot be read "
      "rightly,\n40-43 channels and preconditions, 50-54 model, 60-62 device and memory, 70-72 output, 130 cancelled.");
  const auto run = [&] {
    std::vector<std::string> arguments(argv + std::min(1, argc), argv + argc);
    apps::accept_nnunet_spelling(arguments);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    try {
      app.parse(std::move(arguments));
    } catch (const CLI::ParseError& e) {
      return e.get_exit_code() == 0 ? app.exit(e) : fail("usage", std::string(e.what()) + "; see oncotome --help", 2);
    }
    std::cout.flush();
    return std::cout ? 0 : fail("output.unwritable", "cannot write to stdout", 71);
  };
  try {
    return workflow::guarded(ErrorCode::input_unreadable, run);
  } catch (const Error& e) {
    return fail(e.name(), e.what(), e.exit_code());
  }
}
