// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace oncotome::render {

/// Answers whose confidence lies between two values, and the means over them.
struct ConfidenceBin {
  double low = 0, high = 0;
  std::size_t count = 0;
  double confidence = 0, accuracy = 0;
};

struct ReliabilityPanel {
  std::string title;
  double expected_error = 0;  ///< Told below the title, with the number of answers.
  std::vector<ConfidenceBin> bins;
};

/// PNG of reliability diagrams (arXiv:1706.04599) beside each other: of each bin the accuracy as a bar, the confidence
/// as a mark and the count below, and the diagonal on which both are the same. Needs no GL. Throws
/// Error{output_unwritable}.
void write_reliability_diagram(const std::string& path, const std::vector<ReliabilityPanel>& panels);

}  // namespace oncotome::render
