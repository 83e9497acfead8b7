// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "oncotome/core/error.h"
#include "oncotome/core/job.h"

namespace oncotome::python {

/// Work that goes on without the GIL. When Python ends, what daemon threads compute is cancelled and waited for, and
/// they stop there: Python would end them by unwinding, which C++ does not survive.
class Running {
 public:
  template <class F>
  static auto without_gil(const F& work) {
    // What a progress callback asks for belongs to the work that called it.
    const bool outermost = !is_inside_;
    if (outermost) enter();
    const struct Leave {
      const bool outermost;
      ~Leave() {
        if (outermost) Running::leave();
      }
    } leaving{outermost};
    const pybind11::gil_scoped_release
        released;  // Ends first: it waits for the GIL, which end_all() leaves free until then.
    return work();
  }

  /// For all threads but the one that ends Python, which may have more to do.
  static bool is_ending() { return ending_ && std::this_thread::get_id() != ender_; }

  static void end_all() {
    const pybind11::gil_scoped_release released;
    std::unique_lock<std::mutex> hold(mutex_);
    ender_ = std::this_thread::get_id();
    ending_ = true;
    none_.wait(hold, [] { return count_ == 0; });
  }

 private:
  static void enter() {
    bool is_late = false;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      is_late = is_ending();
      if (!is_late) ++count_;
    }
    if (is_late) stop_for_ever();
    is_inside_ = true;
  }

  static void leave() {
    is_inside_ = false;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (--count_ == 0) none_.notify_all();
    }
    if (is_ending()) stop_for_ever();
  }

  [[noreturn]] static void stop_for_ever() {
    const pybind11::gil_scoped_release released;
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }

  static inline std::atomic<bool> ending_{false};
  static inline std::mutex mutex_;
  static inline std::condition_variable none_;
  static inline int count_ = 0;
  static inline std::thread::id ender_;
  static inline thread_local bool is_inside_ = false;
};

/// Hands progress to Python and signals to the job, in the thread that computes. What Python raises is kept, and the
/// job cancelled.
class Listener {
 public:
  explicit Listener(pybind11::object progress) : progress_(std::move(progress)) {}

  void operator()(std::string_view stage, double fraction) {
    if (Running::is_ending()) throw Error(ErrorCode::cancelled, "cancelled");
    told_ = std::max(told_, std::min(fraction, 1.0));
    const pybind11::gil_scoped_acquire gil;
    try {
      if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
      if (progress_.is_none() || !says_false(progress_(told_, stage))) return;
    } catch (...) {
      raised_ = std::current_exception();
    }
    throw Error(ErrorCode::cancelled, "cancelled");
  }

  const std::exception_ptr& raised() const { return raised_; }

 private:
  // False or NumPy's; what is no truth value, such as None, says nothing.
  static bool says_false(const pybind11::object& said) {
    return (pybind11::isinstance<pybind11::bool_>(said) ||
            pybind11::isinstance(said, pybind11::module_::import("numpy").attr("bool_"))) &&
           !said.cast<bool>();
  }

  const pybind11::object progress_;
  double told_ = 0;
  std::exception_ptr raised_;
};

/// Without the GIL, and with what Python raised meanwhile.
template <class Result, class Request>
std::shared_ptr<Result> computed(Result (*compute)(const Request&, const Job&), const Request& request,
                                 pybind11::object progress) {
  Listener listener(std::move(progress));
  const Job job(std::ref(listener));
  try {
    return Running::without_gil([&] { return std::make_shared<Result>(compute(request, job)); });
  } catch (const Error&) {
    if (listener.raised()) std::rethrow_exception(listener.raised());
    throw;
  }
}

}  // namespace oncotome::python
