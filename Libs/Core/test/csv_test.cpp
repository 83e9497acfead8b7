// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/csv.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "oncotome/core/error.h"

namespace {

using Cells = std::vector<std::string>;

TEST(Csv, Cells_are_those_of_RFC_4180) {
  EXPECT_EQ(oncotome::csv_cells("aaa,\"b,bb\",\"c\"\"cc\"\r"), (Cells{"aaa", "b,bb", "c\"cc"}));
  EXPECT_EQ(oncotome::csv_cells("zzz,,"), (Cells{"zzz", "", ""}));
  EXPECT_EQ(oncotome::csv_cells(""), Cells{""});
}

TEST(Csv, What_is_quoted_comes_back) {
  for (const std::string text : {"plain", "a,b", "say \"a\"", "", "it's"})
    EXPECT_EQ(oncotome::csv_cells(oncotome::csv_quoted(text)), Cells{text});
  EXPECT_EQ(oncotome::csv_quoted("plain"), "plain");
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const oncotome::Error& e) {
    return e.what();
  }
  return "";
}

TEST(Csv, A_table_is_read_by_its_columns_and_says_where_it_is_wrong) {
  const std::string path = testing::TempDir() + "table.csv";
  std::ofstream(path, std::ios::binary) << "\xef\xbb\xbfpath,class\r\na.png,\"x,y\"\r\n\r\nb.png\r\n";
  oncotome::CsvTable table(path, "the list");
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.cell("path"), "a.png");
  EXPECT_EQ(table.cell("class"), "x,y");
  EXPECT_EQ(table.cell("part"), "");
  EXPECT_EQ(table.place(), "line 2 of the list");
  EXPECT_EQ(message_of([&] { table.need("part"); }), "the list has no column 'part'");
  EXPECT_EQ(message_of([&] { table.next(); }), "line 4 of the list has not as many cells as its first line");
  std::ofstream(path, std::ios::binary) << "path,path\n";
  EXPECT_EQ(message_of([&] { oncotome::CsvTable(path, "the list"); }), "the list has two columns of one name");
  EXPECT_EQ(message_of([&] { oncotome::CsvTable(path + "-none", "the list"); }), "the list cannot be opened");
}

}  // namespace
