// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/atomic_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "oncotome/core/error.h"

namespace oncotome {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void unwritable(const std::string& doing, int error) {
  throw Error(ErrorCode::output_unwritable, doing + ": " + std::generic_category().message(error));
}

void sync(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) unwritable("cannot open a result to flush it", errno);
  const int status = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  // Some network file systems cannot flush a folder.
  if (status != 0 && !((flags & O_DIRECTORY) && error == EINVAL))
    unwritable("cannot flush a result to the disk", error);
}

fs::path absolute_place(const fs::path& place) {
  std::error_code ec;
  fs::path out = fs::absolute(place, ec);
  if (ec) unwritable("the working directory is gone; give the output as an absolute path", ec.value());
  out = out.lexically_normal();
  return out.has_filename() ? out : out.parent_path();
}

// A name beside the place that nobody else has; ends as the place does, since writers look at the ending.
fs::path temporary_beside(const fs::path& place, int attempt) {
  return place.parent_path() /
         (".partial-" + std::to_string(::getpid()) + "-" + std::to_string(attempt) + "-" + place.filename().string());
}

constexpr int kAttempts = 100;

// Held as long as the process lives, however it ends; -1 where the file system has no locks.
int lock(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

// Removes the folders that killed runs left beside this place: their process is gone and, for those of other machines,
// nobody holds the lock. A file that is being written has no lock, so files stay.
void sweep(const fs::path& place) {
  const std::string head = ".partial-", tail = "-" + place.filename().string();
  std::error_code ec;
  for (fs::directory_iterator it(place.parent_path(), ec), end; !ec && it != end; it.increment(ec)) {
    const std::string name = it->path().filename().string();
    int process = 0, attempt = 0;
    const char* const last = name.data() + name.size();
    if (name.compare(0, head.size(), head) != 0) continue;
    auto [at, error] = std::from_chars(name.data() + head.size(), last, process);
    if (error != std::errc{} || at == last || *at != '-') continue;
    const auto rest = std::from_chars(at + 1, last, attempt);
    if (rest.ec != std::errc{} || tail != rest.ptr || process <= 0) continue;
    if (::kill(process, 0) == 0 || errno != ESRCH) continue;
    std::error_code ignored;
    if (!fs::is_directory(it->symlink_status(ignored))) continue;
    const int fd = lock(it->path());
    if (fd < 0) continue;
    fs::remove_all(it->path(), ignored);
    ::close(fd);
  }
}

}  // namespace

AtomicDirectory::AtomicDirectory(const fs::path& place, const std::string& replaceable)
    : place_(absolute_place(place)), replaceable_(replaceable) {
  check_place();
  std::error_code ec;
  fs::create_directories(place_.parent_path(), ec);
  if (ec) unwritable("cannot make the folder that shall hold the output", ec.value());
  sweep(place_);
  for (int attempt = 0; attempt < kAttempts && temporary_.empty(); ++attempt) {
    const fs::path candidate = temporary_beside(place_, attempt);
    if (::mkdir(candidate.c_str(), 0777) == 0)
      temporary_ = candidate;
    else if (errno != EEXIST)
      unwritable("cannot make the output folder", errno);
  }
  if (temporary_.empty()) unwritable("cannot make the output folder", EEXIST);
  lock_ = lock(temporary_);
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void AtomicDirectory::check_place() const {
  std::error_code ec;
  const fs::file_status status = fs::symlink_status(place_, ec);
  if (!fs::exists(status)) return;
  if (fs::is_directory(status) && fs::is_empty(place_, ec)) return;
  if (replaceable_.empty())
    throw Error(ErrorCode::output_exists,
                "the output folder exists and is not empty; choose another, or add --overwrite");
  if (!fs::is_directory(status) || !fs::exists(place_ / replaceable_, ec))
    throw Error(ErrorCode::output_exists,
                "the output exists and is no earlier result (it holds no " + replaceable_ + "); choose another folder");
}

void AtomicDirectory::commit() {
  std::error_code ec;
  for (fs::recursive_directory_iterator it(temporary_, ec), end; !ec && it != end; it.increment(ec))
    sync(it->path(), it->is_directory() ? O_RDONLY | O_DIRECTORY : O_RDONLY);
  if (ec) unwritable("cannot list the results", ec.value());
  sync(temporary_, O_RDONLY | O_DIRECTORY);
  check_place();
  // rename() takes an empty folder's place; a full one that may go is swapped, or moved aside where that cannot be
  // done.
  if (::rename(temporary_.c_str(), place_.c_str()) != 0) {
    if ((errno != EEXIST && errno != ENOTEMPTY) || replaceable_.empty())
      unwritable("cannot give the output folder its name", errno);
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, place_.c_str(), RENAME_EXCHANGE) != 0) {
      const fs::path aside = temporary_.string() + "-old";
      if (::rename(place_.c_str(), aside.c_str()) != 0) unwritable("cannot move the earlier result aside", errno);
      if (::rename(temporary_.c_str(), place_.c_str()) != 0) {
        const int error = errno;
        fs::rename(aside, place_, ec);
        unwritable(ec ? "cannot give the output folder its name; the earlier result lies beside it"
                      : "cannot give the output folder its name",
                   error);
      }
      fs::remove_all(aside, ec);
    }
  }
  try {
    sync(place_.parent_path(), O_RDONLY | O_DIRECTORY);
  } catch (const Error&) {
    // The result stands already.
  }
}

std::unique_ptr<AtomicDirectory> private_folder(const std::string& name) {
  std::error_code error;
  const fs::path base = fs::temp_directory_path(error);
  if (!error) {
    auto folder = std::make_unique<AtomicDirectory>(base / name, "");
    fs::permissions(folder->path(), fs::perms::owner_all, error);
    if (!error) return folder;
  }
  throw Error(ErrorCode::output_unwritable, "no temporary folder can be made: check $TMPDIR");
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  std::error_code ignored;
  const fs::path outer = fs::weakly_canonical(folder, ignored), inner = fs::weakly_canonical(path, ignored);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

void write_file_atomically(const fs::path& place, bool replace,
                           const std::function<void(const fs::path& temporary)>& write) {
  const fs::path target = absolute_place(place);
  std::error_code ec;
  const fs::file_status status = fs::status(target, ec);
  if (fs::exists(status) && !fs::is_regular_file(status))
    throw Error(ErrorCode::output_exists, "the output exists and is no file; choose another");
  if (fs::exists(status) && !replace)
    throw Error(ErrorCode::output_exists, "the output exists already; choose another, or add --overwrite");
  static std::atomic<int> next{0};  // Several threads may write to one place.
  const fs::path temporary = temporary_beside(target, next++);
  try {
    write(temporary);
    sync(temporary, O_RDONLY);
    if (::rename(temporary.c_str(), target.c_str()) != 0) unwritable("cannot give the output its name", errno);
  } catch (...) {
    fs::remove(temporary, ec);
    throw;
  }
}

}  // namespace oncotome
