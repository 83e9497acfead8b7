// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace oncotome::bench {

/// Of a number of values that is not zero.
double median(std::vector<double> values);

/// The other's time by ours in each round.
struct Ratios {
  double least, middle;
};
Ratios ratios_of(const std::vector<double>& our_seconds, const std::vector<double>& other_seconds);

/// The median over the rounds of operations per second by the roof, which is given in giga; 0 where that is unknown.
double roof_share(double operations, const std::vector<double>& seconds, const std::vector<double>& roof);

}  // namespace oncotome::bench
