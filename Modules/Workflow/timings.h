// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "oncotome/core/json.h"
#include "oncotome/core/stopwatch.h"

namespace oncotome::workflow {

/// The time of each stage, for report.json.
class Timings {
 public:
  /// The time since the last lap or skip() goes to this stage.
  void lap(const std::string& stage) { add(stage, watch_.lap_ms()); }
  void add(const std::string& stage, double ms) { rows_.emplace_back(stage, ms); }
  void skip() { watch_.lap_ms(); }

  nlohmann::json to_json() const {
    double total = 0;
    for (const auto& row : rows_) total += row.second;
    nlohmann::json out = nlohmann::json::array();
    for (const auto& [stage, ms] : rows_) out.push_back({{"stage", stage}, {"ms", ms}, {"share", ms / total}});
    return out;
  }

 private:
  Stopwatch watch_;
  std::vector<std::pair<std::string, double>> rows_;
};

}  // namespace oncotome::workflow
