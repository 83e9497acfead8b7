// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace oncotome {

/// A result folder that is whole or absent: made under a temporary name beside its place, fsynced and renamed by
/// commit(). Unless committed, everything is removed again.
class AtomicDirectory {
 public:
  /// With `replace`, commit() swaps the new folder for the old one and removes that. Throws Error{output_exists} when
  /// the place is taken by anything but an empty folder, Error{output_unwritable} when it cannot be written.
  AtomicDirectory(const std::filesystem::path& place, bool replace);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  /// Where to write until commit().
  const std::filesystem::path& path() const noexcept { return temporary_; }

  /// Throws Error{output_unwritable, output_exists}; nothing appears at the place then.
  void commit();

 private:
  std::filesystem::path place_;
  std::filesystem::path temporary_;
  bool replace_;
};

}  // namespace oncotome
