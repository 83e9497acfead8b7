// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace oncotome::render {

struct Line {
  std::string name;
  std::vector<double> values;  ///< At 1, 2, ...; NaN is a gap.
};

struct LinePanel {
  std::string title;
  std::vector<Line> lines;
};

/// PNG of panels below each other, each with the lines and an axis of its own. Needs no GL. Throws
/// Error{output_unwritable}.
void write_line_chart(const std::string& path, const std::string& axis, const std::vector<LinePanel>& panels);

}  // namespace oncotome::render
