// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace oncotome {

/// Threads that parallel_for uses, of the whole process; one per core until it is set, and for 0.
void set_compute_threads(int threads);
int compute_threads();

/// Calls f(i) for each i of [begin, end) once, in any order, on the caller's thread and `threads` - 1 others; within f
/// another parallel_for stays on its thread. The first exception stops what has not begun, and is thrown when all have
/// ended.
void parallel_for(std::int64_t begin, std::int64_t end, const std::function<void(std::int64_t)>& f,
                  int threads = compute_threads());

/// Calls f(i, worker) for each i of [0, count), with `worker` from 0 to `threads` - 1 and never the same at once: what
/// each needs of its own is made once. Otherwise as parallel_for.
void parallel_for_workers(std::int64_t count, const std::function<void(std::int64_t, std::size_t)>& f,
                          int threads = compute_threads());

}  // namespace oncotome
