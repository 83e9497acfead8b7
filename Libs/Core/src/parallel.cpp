// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <thread>

#include "oncotome/core/process.h"

namespace oncotome {
namespace {

std::atomic<int> wanted_threads{0};
thread_local bool is_inside = false;

struct Inside {
  Inside() { is_inside = true; }
  ~Inside() { is_inside = false; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

// One call of parallel_for.
class Loop {
 public:
  Loop(std::int64_t begin, std::int64_t end, const std::function<void(std::int64_t)>& f)
      : next_(begin), end_(end), f_(f) {}

  void work() {
    const Inside inside;
    try {
      for (std::int64_t i = next_++; i < end_; i = next_++) f_(i);
    } catch (...) {
      next_ = end_;
      const std::lock_guard<std::mutex> lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

  int places = 0;               ///< For helpers that have not come; guarded by the pool.
  std::atomic<int> helpers{0};  ///< That are at work.

 private:
  std::atomic<std::int64_t> next_;
  const std::int64_t end_;
  const std::function<void(std::int64_t)>& f_;
  std::exception_ptr failure_;
  std::mutex failure_mutex_;
};

// A loop often follows another at once: who waits for one looks again for a while before it sleeps.
template <class Condition>
bool comes_soon(const Condition& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
  do {
    if (condition()) return true;
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

// Threads that stay until the process ends, and help whoever has a loop open.
class Pool {
 public:
  // Never destroyed, for its threads may be asleep in it when the process ends.
  static Pool& get() {
    static Pool& pool = *new Pool;
    return pool;
  }

  void run(Loop& loop, int helpers) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      try {
        for (; threads_ < helpers; ++threads_) std::thread([this] { serve(); }).detach();
      } catch (const std::exception&) {  // Fewer threads do as well.
      }
      loop.places = helpers;
      open_.push_back(&loop);
      ++opened_;
    }
    opened_one_.notify_all();
    loop.work();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      open_.remove(&loop);
    }
    const auto done = [&] { return loop.helpers == 0; };
    if (comes_soon(done)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    left_one_.wait(lock, done);
  }

 private:
  void serve() {
    for (std::uint64_t seen = 0;;) {
      comes_soon([&] { return opened_ != seen; });
      Loop* loop = nullptr;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        opened_one_.wait(lock, [&] { return !open_.empty(); });
        seen = opened_;
        loop = open_.front();
        ++loop->helpers;
        if (--loop->places == 0) open_.pop_front();
      }
      loop->work();
      {
        // Under the mutex, or the loop's owner could fall asleep between its look and this.
        const std::lock_guard<std::mutex> lock(mutex_);
        --loop->helpers;
        left_one_.notify_all();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable opened_one_, left_one_;
  std::list<Loop*> open_;  ///< That have a place for a helper.
  std::atomic<std::uint64_t> opened_{0};
  int threads_ = 0;
};

}  // namespace

void set_compute_threads(int threads) { wanted_threads = threads; }

int compute_threads() {
  const int wanted = wanted_threads;
  return wanted > 0 ? wanted : available_cores();
}

void parallel_for(std::int64_t begin, std::int64_t end, const std::function<void(std::int64_t)>& f, int threads) {
  if (is_inside || threads < 2 || end - begin < 2) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
    return;
  }
  Loop loop(begin, end, f);
  Pool::get().run(loop, static_cast<int>(std::min<std::int64_t>(threads, end - begin)) - 1);
  loop.rethrow();
}

void parallel_for_workers(std::int64_t count, const std::function<void(std::int64_t, std::size_t)>& f, int threads) {
  std::atomic<std::int64_t> next{0};
  parallel_for(
      0, threads,
      [&](std::int64_t worker) {
        for (std::int64_t i = next++; i < count; i = next++) f(i, static_cast<std::size_t>(worker));
      },
      threads);
}

}  // namespace oncotome
