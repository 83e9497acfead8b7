// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace oncotome::bench {

/// What `threads` cores do together of a kernel probe's kind, in giga operations or bytes a second, within about
/// `seconds`; 0 where there is no probe of that.
double probed_roof(const std::string& what, int threads, double seconds);

}  // namespace oncotome::bench
