// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/parallel.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "oncotome/core/process.h"

namespace oncotome {
namespace {

TEST(ParallelFor, CallsEachIndexOnceForAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3, 64}) {
    std::vector<std::atomic<int>> calls(100);
    parallel_for(
        10, 90, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; }, threads);
    for (std::size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i], i >= 10 && i < 90) << i;
  }
}

TEST(ParallelFor, DoesNothingWithNoIndices) {
  parallel_for(3, 3, [](std::int64_t) { FAIL(); });
  parallel_for(3, 0, [](std::int64_t) { FAIL(); });
}

TEST(ParallelFor, ThrowsWhatWasThrownAndStopsWhatHasNotBegun) {
  std::atomic<int> calls{0};
  const auto failing = [&](std::int64_t) {
    ++calls;
    throw std::runtime_error("one");
  };
  EXPECT_THROW(parallel_for(0, 1000, failing, 2), std::runtime_error);
  EXPECT_LE(calls, 4);
}

TEST(ParallelFor, StaysOnItsThreadWithinAnother) {
  std::atomic<int> strayed{0};
  const auto outer = [&](std::int64_t) {
    const auto own = std::this_thread::get_id();
    parallel_for(
        0, 8, [&](std::int64_t) { strayed += std::this_thread::get_id() != own; }, 4);
  };
  parallel_for(0, 8, outer, 4);
  EXPECT_EQ(strayed, 0);
}

TEST(ParallelFor, KeepsItsThreadsFromOneLoopToTheNext) {
  static std::atomic<int> born{0};
  for (int loop = 0; loop < 500; ++loop)
    parallel_for(
        0, 8,
        [](std::int64_t) {
          thread_local const int number = ++born;
          EXPECT_GT(number, 0);
          std::this_thread::sleep_for(std::chrono::microseconds(20));  // so that a helper gets its share
        },
        2);
  EXPECT_GT(born, 1);
  EXPECT_LE(born, 64);  // The caller's, and what the loops of this file needed at most.
}

TEST(ParallelForWorkers, GivesEachWorkerToOneCallAtATime) {
  std::array<std::atomic<bool>, 3> busy{};
  std::atomic<int> calls{0}, clashes{0};
  parallel_for_workers(
      1000,
      [&](std::int64_t, std::size_t worker) {
        if (busy.at(worker).exchange(true)) ++clashes;
        ++calls;
        busy.at(worker) = false;
      },
      3);
  EXPECT_EQ(calls, 1000);
  EXPECT_EQ(clashes, 0);
}

TEST(ParallelFor, ServesSeveralCallersAtOnce) {
  std::atomic<int> calls{0};
  std::vector<std::thread> callers;
  callers.reserve(4);
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int loop = 0; loop < 200; ++loop)
        parallel_for(
            0, 10, [&](std::int64_t) { ++calls; }, 3);
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(calls, 4 * 200 * 10);
}

TEST(ParallelFor, UsesOneThreadPerCoreUntilToldOtherwise) {
  EXPECT_EQ(compute_threads(), available_cores());
  set_compute_threads(3);
  EXPECT_EQ(compute_threads(), 3);
  set_compute_threads(0);
  EXPECT_EQ(compute_threads(), available_cores());
}

}  // namespace
}  // namespace oncotome
