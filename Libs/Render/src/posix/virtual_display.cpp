// SPDX-License-Identifier: Apache-2.0
#include "virtual_display.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace oncotome::render {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int kNotInstalled = 127;

/// Runs between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_server(pid_t parent, int number_fd, const char* number_fd_text) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  // An inherited "ignore SIGUSR1" makes an X server signal its parent, and a blocked SIGTERM would outlive us.
  for (const int s : {SIGUSR1, SIGTERM, SIGPIPE, SIGCHLD}) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null_fd = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) dup2(null_fd, fd);
  fcntl(number_fd, F_SETFD, 0);
  execlp("Xvfb", "Xvfb", "-displayfd", number_fd_text, "-screen", "0", "1280x1024x24", "-nolisten", "tcp",
         static_cast<char*>(nullptr));
  _exit(kNotInstalled);
}

/// The line that the server writes once it listens; empty when it ends or says nothing for ten seconds.
std::string read_number(int fd) {
  const auto deadline = Clock::now() + 10s;
  std::string text;
  while (text.empty() || text.back() != '\n') {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waited{fd, POLLIN, 0};
    const int ready = left > 0 ? poll(&waited, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return {};
    char c = 0;
    const ssize_t got = read(fd, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    text += c;
  }
  text.pop_back();
  return text;
}

// Xlib prints and ends the process when its server fails or goes away, unless all three handlers are replaced.
int ignore_io_error(Display*) { return 0; }
int ignore_error(Display*, XErrorEvent*) { return 0; }
void note_loss(Display*, void* lost) { *static_cast<bool*>(lost) = true; }

}  // namespace

VirtualDisplay::VirtualDisplay()
    : io_handler_before_(XSetIOErrorHandler(ignore_io_error)), handler_before_(XSetErrorHandler(ignore_error)) {
  const char* given = std::getenv("DISPLAY");
  // A forwarded display seldom has the OpenGL that VTK needs.
  if (given && given[0] == ':' && connect(given)) return;
  const std::string number = start_server();
  if (number.empty()) {
    const int status = stop_server();
    why_not_ = WIFEXITED(status) && WEXITSTATUS(status) == kNotInstalled ? "no display, and Xvfb is not installed"
                                                                         : "no display, and Xvfb did not start";
  } else if (!connect((":" + number).c_str())) {
    why_not_ = "Xvfb offers no GLX";
    stop_server();
  }
}

VirtualDisplay::~VirtualDisplay() {
  if (connection_) XCloseDisplay(connection_);
  XSetErrorHandler(handler_before_);
  XSetIOErrorHandler(io_handler_before_);
  stop_server();
}

bool VirtualDisplay::connect(const char* name) {
  Display* display = XOpenDisplay(name);
  if (!display) return false;
  int opcode = 0;
  int event = 0;
  int error = 0;
  if (!XQueryExtension(display, "GLX", &opcode, &event, &error)) {
    XCloseDisplay(display);
    return false;
  }
  XSetIOErrorExitHandler(display, note_loss, &lost_);
  connection_ = display;
  return true;
}

std::string VirtualDisplay::start_server() {
  int number_pipe[2];
  if (pipe2(number_pipe, O_CLOEXEC) != 0) return {};
  const std::string fd_text = std::to_string(number_pipe[1]);
  const pid_t parent = getpid();
  server_ = fork();
  if (server_ == 0) become_server(parent, number_pipe[1], fd_text.c_str());
  close(number_pipe[1]);
  std::string number;
  if (server_ > 0) number = read_number(number_pipe[0]);
  close(number_pipe[0]);
  return number;
}

int VirtualDisplay::stop_server() noexcept {
  int status = 0;
  if (server_ <= 0) return status;
  kill(server_, SIGTERM);
  const auto deadline = Clock::now() + 2s;
  while (waitpid(server_, &status, WNOHANG) == 0) {
    if (Clock::now() > deadline) {
      kill(server_, SIGKILL);
      waitpid(server_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(5ms);
  }
  server_ = -1;
  return status;
}

}  // namespace oncotome::render
