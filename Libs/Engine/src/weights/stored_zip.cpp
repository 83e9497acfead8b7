// SPDX-License-Identifier: Apache-2.0
#include "stored_zip.h"

#include <algorithm>
#include <vector>

namespace oncotome::engine::weights {
namespace {

constexpr std::uint64_t kLargestDirectory = std::uint64_t{64} << 20;
constexpr unsigned kEncrypted = 1U | 1U << 6U | 1U << 13U;

struct Directory {
  std::uint64_t position = 0, size = 0, count = 0;
};

Directory find_directory(const StoredBytes& file) {
  constexpr std::size_t kEnd = 22, kLocator = 20, kEnd64 = 56;
  const std::uint64_t tail_size = std::min<std::uint64_t>(file.size(), kEnd + 65535);
  const std::uint64_t tail_start = file.size() - tail_size;
  const std::string tail = file.text(tail_start, tail_size);
  std::size_t at = tail.rfind("PK\5\6");
  while (at != std::string::npos && at + kEnd > tail.size())
    at = at == 0 ? std::string::npos : tail.rfind("PK\5\6", at - 1);
  if (at == std::string::npos) refuse("its zip directory is missing, as after an interrupted download; get it again");
  const char* end = tail.data() + at;
  Directory found{little_endian(end + 16, 4), little_endian(end + 12, 4), little_endian(end + 10, 2)};
  const std::uint64_t end_position = tail_start + at;
  if (end_position >= kLocator) {
    const std::string locator = file.text(end_position - kLocator, kLocator);
    if (locator.compare(0, 4, "PK\6\7") == 0) {
      const std::string end64 = file.text(little_endian(locator.data() + 8, 8), kEnd64);
      if (end64.compare(0, 4, "PK\6\6") != 0) refuse("its zip64 directory is not where it says");
      found = {little_endian(end64.data() + 48, 8), little_endian(end64.data() + 40, 8),
               little_endian(end64.data() + 32, 8)};
    }
  }
  if (found.size > kLargestDirectory) refuse("its zip directory is larger than 64 MiB");
  return found;
}

/// Replaces what reads as all ones by the zip64 extra field's values, in its order.
void widen(const char* extra, std::size_t size, std::uint64_t* const (&values)[3]) {
  while (size >= 4) {
    const auto id = little_endian(extra, 2);
    const auto length = static_cast<std::size_t>(little_endian(extra + 2, 2));
    if (length > size - 4) return;
    if (id == 1) {
      std::size_t at = 0;
      for (std::uint64_t* value : values) {
        if (*value != 0xFFFFFFFFU) continue;
        if (at + 8 > length) refuse("a zip64 field is too short");
        *value = little_endian(extra + 4 + at, 8);
        at += 8;
      }
      return;
    }
    extra += 4 + length;
    size -= 4 + length;
  }
}

}  // namespace

StoredZip::StoredZip(const StoredBytes& file) : file_(file) {
  constexpr std::size_t kHeader = 46;
  const Directory directory = find_directory(file);
  const std::string bytes = file.text(directory.position, directory.size);
  std::vector<Entry*> in_order;
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    const char* header = bytes.data() + at;
    if (at + kHeader > bytes.size() || bytes.compare(at, 4, "PK\1\2") != 0) refuse("its zip directory breaks off");
    const auto name_size = static_cast<std::size_t>(little_endian(header + 28, 2));
    const auto extra_size = static_cast<std::size_t>(little_endian(header + 30, 2));
    const auto comment_size = static_cast<std::size_t>(little_endian(header + 32, 2));
    if (name_size + extra_size + comment_size > bytes.size() - at - kHeader) refuse("its zip directory breaks off");
    Entry entry;
    entry.flags = static_cast<unsigned>(little_endian(header + 8, 2));
    entry.method = static_cast<unsigned>(little_endian(header + 10, 2));
    entry.packed_size = little_endian(header + 20, 4);
    entry.size = little_endian(header + 24, 4);
    entry.header = little_endian(header + 42, 4);
    widen(header + kHeader + name_size, extra_size, {&entry.size, &entry.packed_size, &entry.header});
    if (entry.header >= directory.position) refuse("a zip entry does not lie in the file");
    std::string name(header + kHeader, name_size);
    if (i == 0) root_ = name.substr(0, name.find('/'));
    const auto [inserted, fresh] = entries_.emplace(std::move(name), entry);
    if (!fresh) refuse("its zip directory names an entry twice");
    in_order.push_back(&inserted->second);
    at += kHeader + name_size + extra_size + comment_size;
  }
  std::sort(in_order.begin(), in_order.end(), [](const Entry* a, const Entry* b) { return a->header < b->header; });
  for (std::size_t i = 0; i < in_order.size(); ++i)
    in_order[i]->end = i + 1 < in_order.size() ? in_order[i + 1]->header : directory.position;
}

Extent StoredZip::find(const std::string& name) const {
  constexpr std::uint64_t kHeader = 30;
  const auto found = entries_.find(name);
  if (found == entries_.end()) refuse("its entry '" + name + "' is missing");
  const Entry& entry = found->second;
  if ((entry.flags & kEncrypted) != 0) refuse("its entry '" + name + "' is encrypted");
  if (entry.method != 0 || entry.size != entry.packed_size)
    refuse("its entry '" + name + "' is compressed, which torch.save never does; save it again");
  const std::string header = file_.text(entry.header, kHeader);
  if (header.compare(0, 4, "PK\3\4") != 0) refuse("its entry '" + name + "' is not where the zip directory says");
  const std::uint64_t position =
      entry.header + kHeader + little_endian(header.data() + 26, 2) + little_endian(header.data() + 28, 2);
  if (position > entry.end || entry.size > entry.end - position)
    refuse("its entry '" + name + "' lies over another one");
  return {position, entry.size};
}

}  // namespace oncotome::engine::weights
