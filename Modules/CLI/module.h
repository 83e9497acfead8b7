// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

#include "oncotome/core/job.h"
#include "sem.h"

namespace oncotome::cli {

/// A command line module at work: what it was given, and what it tells on stdout.
class Run {
 public:
  Run(const sem::Module& module, sem::Values given);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  const sem::Values values;

  /// A job whose 0 to 1 are this part of the whole; its progress becomes <filter-progress> tags, which only grow.
  Job part(double begin, double end);
  /// A line for the user.
  void note(const std::string& text);
  /// Sets a return parameter.
  void give(const std::string& name, const std::string& value) { results_[name] = value; }
  const std::map<std::string, std::string>& results() const { return results_; }

  /// Work begins and ends.
  void start() const;
  void end() const;

 private:
  void tell(std::string_view stage, double fraction);

  const std::string name_, comment_;
  std::map<std::string, std::string> results_;
  std::string stage_;
  double told_ = 0, begin_s_ = 0;
};

/// Fields that all of the modules share; the rest is to be filled in.
sem::Module new_module(const std::string& name, const std::string& title, const std::string& description);

/// main() of a module: answers --xml, --help and --version, or does the work. Errors are one line on stderr and the
/// exit code of their kind.
int run_module(const sem::Module& module, const std::function<void(Run&)>& work, int argc, char** argv);

}  // namespace oncotome::cli
