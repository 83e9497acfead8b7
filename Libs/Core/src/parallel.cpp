// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

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
  std::atomic<std::int64_t> next{begin};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    const Inside inside;
    try {
      for (std::int64_t i = next++; i < end; i = next++) f(i);
    } catch (...) {
      next = end;
      const std::lock_guard<std::mutex> lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> helpers;
  try {
    while (static_cast<std::int64_t>(helpers.size()) + 1 < std::min<std::int64_t>(threads, end - begin))
      helpers.emplace_back(work);
  } catch (const std::exception&) {  // Fewer threads do as well.
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace oncotome
