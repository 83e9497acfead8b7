// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace oncotome {

/// Cells of a line of comma-separated values (RFC 4180), which may end with a carriage return. Quoted line ends are not
/// read.
std::vector<std::string> csv_cells(const std::string& line);

/// A cell, in quotes where it needs them.
std::string csv_quoted(const std::string& text);

}  // namespace oncotome
