// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/csv.h"

namespace oncotome {

std::vector<std::string> csv_cells(const std::string& line) {
  std::vector<std::string> cells(1);
  const std::size_t size = line.size() - (!line.empty() && line.back() == '\r' ? 1 : 0);
  bool quoted = false;
  for (std::size_t i = 0; i < size; ++i) {
    if (line[i] == '"' && quoted && i + 1 < size && line[i + 1] == '"')
      cells.back() += line[++i];
    else if (line[i] == '"')
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      cells.emplace_back();
    else
      cells.back() += line[i];
  }
  return cells;
}

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace oncotome
