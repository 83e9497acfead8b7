// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace oncotome::render {

struct Bar {
  std::string label;
  double value = 0, least = 0;  ///< The bar's length, and a mark within.
  std::array<std::uint8_t, 3> color{};
  std::string note;  ///< Behind the bar.
};

struct BarGroup {
  std::string title;
  std::vector<Bar> bars;
};

/// PNG of bars that lie below each other in groups, under lines of text, with a line through them at 1. Needs no GL.
/// Throws Error{output_unwritable}.
void write_bar_chart(const std::string& path, const std::vector<std::string>& heading,
                     const std::vector<BarGroup>& groups);

}  // namespace oncotome::render
