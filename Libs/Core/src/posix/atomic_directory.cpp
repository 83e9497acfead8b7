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
#include <fstream>
#include <string_view>
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

// Tells this machine since its start from others that write to the same folder.
const std::string& boot() {
  static const std::string id = [] {
    std::string text;
    std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), text);
    return text.substr(0, text.find('-'));
  }();
  return id;
}

constexpr std::string_view kHead = ".partial-";

// A name beside the place that nobody else has; ends as the place does, since writers look at the ending.
fs::path temporary_beside(const fs::path& place, int attempt) {
  return place.parent_path() / (std::string(kHead) + std::to_string(::getpid()) + "-" + std::to_string(attempt) + "." +
                                boot() + "-" + place.filename().string());
}

constexpr int kAttempts = 100;

// Held as long as the process lives, however it ends; -1 where the file system has no locks.
int lock(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

// Whether it is the temporary name of a process that is gone: of any place on this machine since its start, else of the
// same place.
bool is_left_behind(std::string_view name, const std::string& place) {
  if (name.substr(0, kHead.size()) != kHead) return false;
  name.remove_prefix(kHead.size());
  int process = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), process);
  const std::size_t dot = name.find('.'), dash = name.find('-', dot);
  if (error != std::errc{} || process <= 0 || *end != '-' || dash == std::string_view::npos) return false;
  if (name.substr(dot + 1, dash - dot - 1) != boot() && name.substr(dash + 1) != place) return false;
  return ::kill(process, 0) != 0 && errno == ESRCH;
}

// Removes what killed runs left beside this place. What another machine or container still writes is locked, but not
// every file system tells machines of each other's locks.
void sweep(const fs::path& place) {
  std::error_code ec;
  for (fs::directory_iterator it(place.parent_path(), ec), end; !ec && it != end; it.increment(ec)) {
    if (!is_left_behind(it->path().filename().string(), place.filename().string())) continue;
    const int fd = lock(it->path());
    if (fd < 0) continue;
    std::error_code ignored;
    fs::remove_all(it->path(), ignored);
    ::close(fd);
  }
}

// A new file, locked as long as the object lives. Whoever writes it opens it again.
class LockedFile {
 public:
  explicit LockedFile(const fs::path& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)) {
    if (fd_ < 0) unwritable("cannot make the output", errno);
    ::flock(fd_, LOCK_EX | LOCK_NB);
  }
  ~LockedFile() { ::close(fd_); }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;

 private:
  const int fd_;
};

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
  sweep(target);
  const fs::path temporary = temporary_beside(target, next++);
  const LockedFile file(temporary);
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
