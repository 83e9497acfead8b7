// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace oncotome {

/// A result folder that is whole or absent: made under a temporary name beside its place, fsynced and renamed by
/// commit(). Unless committed, everything is removed again; what a killed run left goes when the next one starts.
class AtomicDirectory {
 public:
  /// `replaceable` names a file, such as "report.json": a folder at the place that holds it is swapped for the new one
  /// and removed; empty replaces nothing. Throws Error{output_exists} when the place is taken by anything but an empty
  /// folder or such a one, Error{output_unwritable} when it cannot be written.
  AtomicDirectory(const std::filesystem::path& place, const std::string& replaceable);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  /// Where to write until commit().
  const std::filesystem::path& path() const noexcept { return temporary_; }

  /// Throws Error{output_unwritable, output_exists}; nothing appears at the place then.
  void commit();

 private:
  void check_place() const;

  std::filesystem::path place_;
  std::filesystem::path temporary_;
  std::string replaceable_;
  int lock_ = -1;  ///< Descriptor of the temporary folder, locked.
};

/// A folder for this process alone (mode 0700, under $TMPDIR); goes with the object, and what a killed run left goes
/// when the next one starts. Throws Error{output_unwritable}.
std::unique_ptr<AtomicDirectory> private_folder(const std::string& name);

/// Whether a path is the other one or lies in it, links followed.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

/// The same for one file: `write` fills a temporary file beside the place, with the same ending, which is there already
/// and empty. Throws what it throws,
/// and Error{output_exists} when there is a file already and `replace` is not set, Error{output_unwritable}.
void write_file_atomically(const std::filesystem::path& place, bool replace,
                           const std::function<void(const std::filesystem::path& temporary)>& write);

}  // namespace oncotome
