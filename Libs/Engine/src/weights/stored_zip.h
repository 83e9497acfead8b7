// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <unordered_map>

#include "stored_bytes.h"

namespace oncotome::engine::weights {

struct Extent {
  std::uint64_t position = 0, size = 0;
};

/// A zip file's directory (APPNOTE 6.3, zip64 too), of which entries that are stored as they are can be read.
class StoredZip {
 public:
  /// Throws Error{weights_invalid}.
  explicit StoredZip(const StoredBytes& file);

  /// Folder of the first entry: torch.save puts everything into one of any name.
  const std::string& root() const { return root_; }
  bool has(const std::string& name) const { return entries_.count(name) > 0; }
  /// Where an entry's bytes lie. Throws Error{weights_invalid} where it is absent, compressed, encrypted, or lies over
  /// another.
  Extent find(const std::string& name) const;

 private:
  struct Entry {
    std::uint64_t header = 0, end = 0, size = 0, packed_size = 0;
    unsigned method = 0, flags = 0;
  };
  const StoredBytes& file_;
  std::string root_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace oncotome::engine::weights
