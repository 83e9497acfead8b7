// SPDX-License-Identifier: Apache-2.0
#include "rounds.h"

#include <algorithm>

namespace oncotome::bench {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Ratios ratios_of(const std::vector<double>& our_seconds, const std::vector<double>& other_seconds) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < our_seconds.size(); ++i) ratios.push_back(other_seconds[i] / our_seconds[i]);
  return {*std::min_element(ratios.begin(), ratios.end()), median(ratios)};
}

double roof_share(double operations, const std::vector<double>& seconds, const std::vector<double>& roof) {
  std::vector<double> shares;
  for (std::size_t i = 0; i < seconds.size(); ++i)
    shares.push_back(roof[i] > 0 ? operations / seconds[i] / roof[i] / 1e9 : 0);
  return median(shares);
}

}  // namespace oncotome::bench
