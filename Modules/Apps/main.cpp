// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>

#include "commands.h"
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
  try {
    std::vector<std::string> arguments(argv + std::min(1, argc), argv + argc);
    apps::accept_nnunet_spelling(arguments);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    app.parse(std::move(arguments));
    std::cout.flush();
    if (!std::cout) return fail("output.unwritable", "cannot write to stdout", 71);
    return 0;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    return fail("usage", std::string(e.what()) + "; see oncotome --help", 2);
  } catch (const Error& e) {
    return fail(e.name(), e.what(), e.exit_code());
  } catch (const std::bad_alloc&) {
    return fail(error_name(ErrorCode::out_of_memory), "not enough memory",
                Error(ErrorCode::out_of_memory, "").exit_code());
  } catch (const std::filesystem::filesystem_error& e) {
    return fail("input.unreadable", "a file operation failed: " + e.code().message(), 11);
  } catch (const std::exception& e) {
    return fail("internal", e.what(), 1);
  }
}
