// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <X11/Xlib.h>
#include <sys/types.h>

#include <string>

namespace oncotome::render {

/// A connection to an X server that offers GLX: that of DISPLAY when it is local and answers, else an Xvfb of our own.
/// The Xvfb dies with the object, or with the thread that made it, whichever comes first.
class VirtualDisplay {
 public:
  VirtualDisplay();
  ~VirtualDisplay();
  VirtualDisplay(const VirtualDisplay&) = delete;
  VirtualDisplay& operator=(const VirtualDisplay&) = delete;

  /// Owned by this object; null when none can be had.
  Display* connection() const noexcept { return connection_; }
  /// True once the server has gone away: what was drawn since is worthless.
  bool lost() const noexcept { return lost_; }
  /// Process id of our own Xvfb; -1 when there is none.
  pid_t server() const noexcept { return server_; }
  const std::string& why_not() const noexcept { return why_not_; }

 private:
  bool connect(const char* name);
  /// The number of the new server's display; empty when it did not come up.
  std::string start_server();
  /// Its exit status, as from waitpid.
  int stop_server() noexcept;

  XIOErrorHandler io_handler_before_;
  XErrorHandler handler_before_;
  Display* connection_ = nullptr;
  pid_t server_ = -1;
  bool lost_ = false;
  std::string why_not_;
};

}  // namespace oncotome::render
