// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/csv.h"

#include <gtest/gtest.h>

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

}  // namespace
