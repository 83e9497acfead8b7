// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <string_view>

#include "oncotome/core/error.h"

namespace oncotome {

/// What a long task is told and tells: progress out, cancel in. Belongs to one study; cancel() may come from a signal
/// handler too, report() only from the thread that runs the task.
class Job {
 public:
  /// Receives the stage's name and its fraction done, 0 to 1.
  using Listener = std::function<void(std::string_view stage, double fraction)>;

  Job() = default;
  explicit Job(Listener listener) : listener_(std::move(listener)) {}
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  void cancel() noexcept { cancelled_.store(true); }
  bool is_cancelled() const noexcept { return cancelled_.load(); }

  /// Throws Error{cancelled} once cancel() was called.
  void check() const {
    if (is_cancelled()) throw Error(ErrorCode::cancelled, "cancelled");
  }

  /// Tells the listener, then check().
  void report(std::string_view stage, double fraction) const {
    if (listener_) listener_(stage, fraction);
    check();
  }

 private:
  Listener listener_;
  std::atomic<bool> cancelled_{false};
};

/// A job whose 0 to 1 are a part of another's, which must outlive it.
inline Job part_of(const Job& job, double begin, double end) {
  return Job([&job, begin, end](std::string_view stage, double fraction) {
    job.report(stage, begin + (end - begin) * fraction);
  });
}

}  // namespace oncotome
