// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/atomic_directory.h"

#include <gtest/gtest.h>

#include <fstream>

#include "oncotome/core/error.h"

namespace {

namespace fs = std::filesystem;
using oncotome::AtomicDirectory;

class AtomicDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::path(testing::TempDir()) / ("atomic-" + std::to_string(::getpid()));
    fs::create_directories(base_);
  }
  void TearDown() override { fs::remove_all(base_); }

  static void put(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }
  static std::string get(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(base_), fs::directory_iterator()));
  }

  fs::path base_;
};

TEST_F(AtomicDirectoryTest, Nothing_is_left_when_it_is_not_committed) {
  {
    const AtomicDirectory out(base_ / "result", false);
    put(out.path() / "a", "1");
    EXPECT_FALSE(fs::exists(base_ / "result"));
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(AtomicDirectoryTest, A_commit_shows_everything_under_the_name_asked_for) {
  AtomicDirectory out(base_ / "result/", false);
  put(out.path() / "a", "1");
  out.commit();
  EXPECT_EQ(get(base_ / "result" / "a"), "1");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicDirectoryTest, A_folder_with_something_in_it_is_refused_unless_it_shall_be_replaced) {
  fs::create_directories(base_ / "result");
  put(base_ / "result" / "old", "1");
  try {
    const AtomicDirectory out(base_ / "result", false);
    FAIL();
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), oncotome::ErrorCode::output_exists);
  }
  {
    AtomicDirectory out(base_ / "result", true);
    put(out.path() / "new", "2");
    out.commit();
  }
  EXPECT_FALSE(fs::exists(base_ / "result" / "old"));
  EXPECT_EQ(get(base_ / "result" / "new"), "2");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicDirectoryTest, An_empty_folder_is_taken_as_the_place) {
  fs::create_directories(base_ / "result");
  AtomicDirectory out(base_ / "result", false);
  put(out.path() / "a", "1");
  out.commit();
  EXPECT_EQ(get(base_ / "result" / "a"), "1");
}

}  // namespace
