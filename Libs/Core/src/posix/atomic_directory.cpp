// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/atomic_directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <string>
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
  if (status != 0) unwritable("cannot flush a result to the disk", error);
}

bool is_taken(const fs::path& place) {
  std::error_code ec;
  if (!fs::exists(fs::symlink_status(place, ec))) return false;
  return !fs::is_directory(place, ec) || !fs::is_empty(place, ec);
}

}  // namespace

AtomicDirectory::AtomicDirectory(const fs::path& place, bool replace) : replace_(replace) {
  std::error_code ec;
  place_ = fs::absolute(place, ec).lexically_normal();
  if (!place_.has_filename()) place_ = place_.parent_path();
  if (!replace_ && is_taken(place_))
    throw Error(ErrorCode::output_exists,
                "the output folder exists and is not empty; choose another, or add --overwrite");
  fs::create_directories(place_.parent_path(), ec);
  if (ec) unwritable("cannot make the folder that shall hold the output", ec.value());
  std::string pattern = (place_.parent_path() / ("." + place_.filename().string() + ".partial-XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr) unwritable("cannot make the output folder", errno);
  temporary_ = pattern;
  fs::permissions(temporary_, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec, ec);
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

void AtomicDirectory::commit() {
  for (const auto& entry : fs::recursive_directory_iterator(temporary_))
    sync(entry.path(), entry.is_directory() ? O_RDONLY | O_DIRECTORY : O_RDONLY);
  sync(temporary_, O_RDONLY | O_DIRECTORY);
  std::error_code ec;
  const bool exists = fs::exists(fs::symlink_status(place_, ec));
  const bool swap = replace_ && exists;
  if (!swap && exists) ::rmdir(place_.c_str());
  const unsigned flags = swap ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, place_.c_str(), flags) != 0) {
    if (errno == EEXIST)
      throw Error(ErrorCode::output_exists, "the output folder came into being meanwhile; choose another");
    unwritable("cannot give the output folder its name", errno);
  }
  sync(place_.parent_path(), O_RDONLY | O_DIRECTORY);
}

}  // namespace oncotome
