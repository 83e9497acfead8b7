// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <string>
#include <vector>

namespace oncotome {

/// Cells of a line of comma-separated values (RFC 4180), which may end with a carriage return. Quoted line ends are not
/// read.
std::vector<std::string> csv_cells(const std::string& line);

/// A list whose first line names its columns, read line by line; empty lines are passed over. `name`, such as "the
/// manifest", is what errors call it.
class CsvTable {
 public:
  /// Passes over a byte order mark. Throws Error{input_not_found}, Error{input_unreadable} for two columns of one name.
  CsvTable(const std::string& path, std::string name);

  const std::vector<std::string>& columns() const { return columns_; }
  bool has(const std::string& column) const;
  /// Throws Error{input_unreadable} unless has().
  void need(const std::string& column) const;

  /// Throws Error{input_unreadable} for a line with another number of cells than there are columns.
  bool next();
  /// Of the line that next() read; empty where there is no such column.
  std::string cell(const std::string& column) const;
  /// Such as "line 3 of the manifest".
  std::string place() const;

 private:
  std::ifstream file_;
  const std::string name_;
  std::vector<std::string> columns_, cells_;
  int number_ = 1;
};

/// A cell, in quotes where it needs them.
std::string csv_quoted(const std::string& text);

}  // namespace oncotome
