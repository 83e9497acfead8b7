// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/job.h"

namespace oncotome::workflow {

/// What becomes of the names in an archive: an input's never become paths; a model's folders are kept.
enum class ArchiveNames { numbered, kept };

/// Input paths, each .zip archive replaced by a folder with its files, which is private (mode 0700, under $TMPDIR) and
/// goes with this object.
class UnpackedInput {
 public:
  /// Throws Error{input_unreadable, input_unsupported, output_unwritable, cancelled}; encrypted archives, and those
  /// that unpack to more than 100,000 files, 8 GiB or 100 times a file's packed size, are input_unsupported.
  UnpackedInput(std::vector<std::string> paths, const Job& job, ArchiveNames names = ArchiveNames::numbered);

  const std::vector<std::string>& paths() const { return paths_; }

 private:
  std::vector<std::string> paths_;
  std::vector<std::unique_ptr<AtomicDirectory>> folders_;
};

}  // namespace oncotome::workflow
