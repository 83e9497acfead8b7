// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/atomic_directory.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <future>

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
    const AtomicDirectory out(base_ / "result", "");
    put(out.path() / "a", "1");
    EXPECT_FALSE(fs::exists(base_ / "result"));
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(AtomicDirectoryTest, What_a_killed_run_left_goes_when_the_next_one_starts) {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  boot = boot.substr(0, boot.find('-'));
  // No process has the number 2^22, the greatest that Linux allows, plus one.
  const std::string gone = ".partial-4194305-0.", here = ".partial-" + std::to_string(::getpid()) + "-7.";
  const fs::path dead = base_ / (gone + boot + "-result"), another = base_ / (gone + boot + "-another"),
                 file = base_ / (gone + boot + "-x.seg.nrrd"), same_elsewhere = base_ / (gone + "elsewhere-result");
  const fs::path alive = base_ / (here + boot + "-result"), elsewhere = base_ / (gone + "elsewhere-another"),
                 foreign = base_ / ".partial-4194305-0-another", locked = base_ / (gone + boot + "-locked");
  for (const fs::path& folder : {dead, another, same_elsewhere, alive, elsewhere, foreign}) {
    fs::create_directories(folder);
    put(folder / "half", "1");
  }
  put(file, "1");
  put(locked, "1");
  const int fd = ::open(locked.c_str(), O_RDONLY);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  const AtomicDirectory out(base_ / "result", "");
  for (const fs::path& path : {dead, another, file, same_elsewhere}) EXPECT_FALSE(fs::exists(path)) << path;
  for (const fs::path& path : {alive, elsewhere, foreign, locked}) EXPECT_TRUE(fs::exists(path)) << path;
  ::close(fd);
  oncotome::write_file_atomically(base_ / "b.txt", false, [](const fs::path& temporary) { put(temporary, "1"); });
  EXPECT_FALSE(fs::exists(locked));
}

TEST_F(AtomicDirectoryTest, A_file_that_is_being_written_is_locked) {
  oncotome::write_file_atomically(base_ / "a.txt", false, [](const fs::path& temporary) {
    put(temporary, "1");
    const int fd = ::open(temporary.c_str(), O_RDONLY);
    EXPECT_EQ(::flock(fd, LOCK_EX | LOCK_NB), -1);
    ::close(fd);
  });
  EXPECT_EQ(get(base_ / "a.txt"), "1");
}

TEST_F(AtomicDirectoryTest, A_commit_shows_everything_under_the_name_asked_for) {
  AtomicDirectory out(base_ / "result/", "");
  put(out.path() / "a", "1");
  out.commit();
  EXPECT_EQ(get(base_ / "result" / "a"), "1");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicDirectoryTest, A_folder_with_something_in_it_is_refused_unless_it_shall_be_replaced) {
  fs::create_directories(base_ / "result");
  put(base_ / "result" / "old", "1");
  try {
    const AtomicDirectory out(base_ / "result", "");
    FAIL();
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), oncotome::ErrorCode::output_exists);
  }
  {
    AtomicDirectory out(base_ / "result", "old");
    put(out.path() / "new", "2");
    out.commit();
  }
  EXPECT_FALSE(fs::exists(base_ / "result" / "old"));
  EXPECT_EQ(get(base_ / "result" / "new"), "2");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicDirectoryTest, What_is_no_earlier_result_is_never_replaced) {
  fs::create_directories(base_ / "study");
  put(base_ / "study" / "image.dcm", "1");
  put(base_ / "file", "2");
  fs::create_directory_symlink(base_ / "study", base_ / "link");
  for (const char* name : {"study", "file", "link"}) {
    try {
      const AtomicDirectory out(base_ / name, "report.json");
      ADD_FAILURE() << name;
    } catch (const oncotome::Error& e) {
      EXPECT_EQ(e.code(), oncotome::ErrorCode::output_exists);
    }
  }
  EXPECT_EQ(get(base_ / "study" / "image.dcm"), "1");
  EXPECT_EQ(get(base_ / "file"), "2");
  EXPECT_EQ(entries(), 3u);
}

TEST_F(AtomicDirectoryTest, A_file_is_whole_or_absent_and_replaced_only_when_asked) {
  const auto write = [&](const std::string& text) {
    return [text](const fs::path& temporary) { put(temporary, text); };
  };
  oncotome::write_file_atomically(base_ / "a.txt", false, write("1"));
  EXPECT_THROW(oncotome::write_file_atomically(base_ / "a.txt", false, write("2")), oncotome::Error);
  EXPECT_EQ(get(base_ / "a.txt"), "1");
  oncotome::write_file_atomically(base_ / "a.txt", true, write("3"));
  EXPECT_EQ(get(base_ / "a.txt"), "3");
  const auto fail = [](const fs::path& temporary) {
    put(temporary, "half");
    throw std::runtime_error("full");
  };
  EXPECT_THROW(oncotome::write_file_atomically(base_ / "b.txt", false, fail), std::runtime_error);
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicDirectoryTest, Threads_that_write_to_one_place_do_not_meet) {
  const auto write_often = [&](char letter) {
    for (int round = 0; round < 200; ++round)
      oncotome::write_file_atomically(base_ / "a.txt", true,
                                      [&](const fs::path& temporary) { put(temporary, std::string(5000, letter)); });
  };
  auto first = std::async(std::launch::async, write_often, 'a'),
       second = std::async(std::launch::async, write_often, 'b');
  EXPECT_NO_THROW(first.get());
  EXPECT_NO_THROW(second.get());
  const std::string text = get(base_ / "a.txt");
  EXPECT_EQ(text, std::string(5000, text[0]));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicDirectoryTest, An_empty_folder_is_taken_as_the_place) {
  fs::create_directories(base_ / "result");
  AtomicDirectory out(base_ / "result", "");
  put(out.path() / "a", "1");
  out.commit();
  EXPECT_EQ(get(base_ / "result" / "a"), "1");
}

}  // namespace
