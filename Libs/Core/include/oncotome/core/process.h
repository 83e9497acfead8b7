// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <string>

namespace oncotome {

/// The cores this process may run on.
int available_cores();

/// Asks the allocator to keep freed memory for the next large block; for programs that come and go by the gigabyte.
void keep_freed_memory();

/// The most memory this process has held so far.
double peak_memory_mib();

/// A time in UTC, by strftime's format.
std::string utc_text(std::time_t time, const char* format);

}  // namespace oncotome
