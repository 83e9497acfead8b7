// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>

namespace oncotome::apps {
namespace {

Job* g_job = nullptr;

void on_signal(int) {
  if (g_job != nullptr) g_job->cancel();
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  // A second Ctrl-C ends the program at once.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(signal, &action, nullptr);
}

}  // namespace

Terminal::Terminal(bool quiet)
    : quiet_(quiet), bar_(isatty(STDERR_FILENO) != 0), job_([this](std::string_view s, double f) { show(s, f); }) {
  g_job = &job_;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) handle(signal, &on_signal);
}

Terminal::~Terminal() {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) handle(signal, SIG_DFL);
  g_job = nullptr;
  if (bar_ && !quiet_ && !last_.empty()) std::fputs("\r\033[K", stderr);
}

void Terminal::say(const std::string& line) {
  if (quiet_) return;
  std::fprintf(stderr, "%soncotome: %s\n", bar_ ? "\r\033[K" : "", line.c_str());
  last_percent_ = -1;
}

void Terminal::show(std::string_view stage, double fraction) {
  if (quiet_) return;
  const int percent = static_cast<int>(100 * fraction);
  const bool new_stage = stage != last_;
  if (bar_) {
    if (!new_stage && percent == last_percent_) return;
    std::string line(30, ' ');
    for (std::size_t i = 0; i < line.size() * static_cast<std::size_t>(percent) / 100; ++i) line[i] = '#';
    std::fprintf(stderr, "\r\033[K[%s] %3d %%  %.*s", line.c_str(), percent, static_cast<int>(stage.size()),
                 stage.data());
  } else if (new_stage && told_.insert(std::string(stage)).second) {
    std::fprintf(stderr, "oncotome: %.*s\n", static_cast<int>(stage.size()), stage.data());
  }
  std::fflush(stderr);
  last_ = stage;
  last_percent_ = percent;
}

}  // namespace oncotome::apps
