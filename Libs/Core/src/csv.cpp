// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/csv.h"

#include <algorithm>
#include <set>
#include <utility>

#include "oncotome/core/error.h"

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

CsvTable::CsvTable(const std::string& path, std::string name) : file_(path, std::ios::binary), name_(std::move(name)) {
  if (!file_) throw Error(ErrorCode::input_not_found, name_ + " cannot be opened");
  std::string line;
  std::getline(file_, line);
  if (line.rfind("\xef\xbb\xbf", 0) == 0) line.erase(0, 3);  // as spreadsheets begin UTF-8
  columns_ = csv_cells(line);
  if (std::set<std::string>(columns_.begin(), columns_.end()).size() != columns_.size())
    throw Error(ErrorCode::input_unreadable, name_ + " has two columns of one name");
}

bool CsvTable::has(const std::string& column) const { return std::count(columns_.begin(), columns_.end(), column) > 0; }

void CsvTable::need(const std::string& column) const {
  if (!has(column)) throw Error(ErrorCode::input_unreadable, name_ + " has no column '" + column + "'");
}

bool CsvTable::next() {
  std::string line;
  while (std::getline(file_, line)) {
    ++number_;
    cells_ = csv_cells(line);
    if (cells_.size() == 1 && cells_[0].empty()) continue;
    if (cells_.size() != columns_.size())
      throw Error(ErrorCode::input_unreadable, place() + " has not as many cells as its first line");
    return true;
  }
  return false;
}

std::string CsvTable::cell(const std::string& column) const {
  const auto at = static_cast<std::size_t>(std::find(columns_.begin(), columns_.end(), column) - columns_.begin());
  return at < cells_.size() ? cells_[at] : std::string();
}

std::string CsvTable::place() const { return "line " + std::to_string(number_) + " of " + name_; }

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace oncotome
