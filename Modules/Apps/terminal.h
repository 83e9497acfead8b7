// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "oncotome/core/job.h"

namespace oncotome::apps {

/// The terminal's side of a job: a bar on a terminal, plain lines otherwise, nothing when quiet; all on stderr. While
/// it lives, Ctrl-C, SIGTERM and SIGHUP cancel the job.
class Terminal {
 public:
  explicit Terminal(bool quiet);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  const Job& job() const { return job_; }
  /// A line that stays, unless quiet.
  void say(const std::string& line);

 private:
  void show(std::string_view stage, double fraction);

  const bool quiet_;
  const bool bar_;
  std::string last_;
  std::set<std::string> told_;
  int last_percent_ = -1;
  Job job_;
};

}  // namespace oncotome::apps
