// SPDX-License-Identifier: Apache-2.0
#pragma once

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

  /// Xlib's Display*, owned by this object; null when none can be had.
  void* connection() const noexcept { return connection_; }
  /// Process id of our own Xvfb; -1 when there is none.
  pid_t server() const noexcept { return server_; }
  const std::string& why_not() const noexcept { return why_not_; }

 private:
  bool connect(const char* name);
  /// The number of the new server's display; empty when it did not come up.
  std::string start_server();
  /// Its exit status, as from waitpid.
  int stop_server() noexcept;

  void* connection_ = nullptr;
  pid_t server_ = -1;
  std::string why_not_;
};

}  // namespace oncotome::render
