// SPDX-License-Identifier: Apache-2.0
#include "roof.h"

#include <chrono>
#include <vector>

#include "memory.h"
#include "oncotome/core/parallel.h"
#include "oncotome/kernels/probe.h"

namespace oncotome::bench {
double probed_roof(const std::string& what, int threads, double seconds) {
  using Clock = std::chrono::steady_clock;
  const kernels::Probe* probe = kernels::find_probe(what.c_str(), nullptr);
  if (!probe) return 0;
  // Of memory more than the caches hold; of arithmetic what is short beside `seconds`.
  const bool of_memory = what == "read" || what == "write";
  const std::size_t steps = of_memory ? std::size_t{1} << 20 : std::size_t{1} << 14;
  std::vector<Memory> memory;
  memory.reserve(static_cast<std::size_t>(threads));
  for (int t = 0; t < threads; ++t) memory.push_back(allocate((of_memory ? steps : 1) * 64));
  std::vector<double> rates(static_cast<std::size_t>(threads));
  parallel_for(
      0, threads,
      [&](std::int64_t t) {
        void* own = memory[static_cast<std::size_t>(t)].get();
        std::int64_t done = 0;
        double passed = 0;
        for (const auto start = Clock::now(); passed < seconds; ++done) {
          probe->run(own, steps);
          passed = std::chrono::duration<double>(Clock::now() - start).count();
        }
        rates[static_cast<std::size_t>(t)] =
            static_cast<double>(done) * static_cast<double>(steps) * probe->work / passed;
      },
      threads);
  double sum = 0;
  for (const double rate : rates) sum += rate / 1e9;
  return sum;
}

}  // namespace oncotome::bench
