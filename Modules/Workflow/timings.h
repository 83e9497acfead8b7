// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "oncotome/core/json.h"

namespace oncotome::workflow {

/// The time of each stage, for report.json.
class Timings {
 public:
  /// The time since the last lap or skip() goes to this stage.
  void lap(const std::string& stage) {
    const auto now = std::chrono::steady_clock::now();
    add(stage, std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }
  void add(const std::string& stage, double ms) { rows_.emplace_back(stage, ms); }
  void skip() { last_ = std::chrono::steady_clock::now(); }

  nlohmann::json to_json() const {
    double total = 0;
    for (const auto& row : rows_) total += row.second;
    nlohmann::json out = nlohmann::json::array();
    for (const auto& [stage, ms] : rows_) out.push_back({{"stage", stage}, {"ms", ms}, {"share", ms / total}});
    return out;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::vector<std::pair<std::string, double>> rows_;
};

}  // namespace oncotome::workflow
