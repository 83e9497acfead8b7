// SPDX-License-Identifier: Apache-2.0
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "file_start.h"

namespace oncotome::dicom {
namespace {

constexpr std::size_t kPreamble = 128;
constexpr std::size_t kStart = 4096;

/// Reads the group 0002 elements, explicit little endian, that lie whole in `bytes`.
class MetaReader {
 public:
  explicit MetaReader(const std::string& bytes) : bytes_(bytes), at_(kPreamble + 4) {}

  bool next() {
    if (!has(8) || u16(at_) != 2) return false;
    element = u16(at_ + 2);
    const std::string vr = bytes_.substr(at_ + 4, 2);
    const bool is_long = vr == "OB" || vr == "OW" || vr == "UN" || vr == "SQ" || vr == "UT";
    if (is_long && !has(12)) return false;
    const std::size_t length = is_long ? u16(at_ + 8) | std::size_t{u16(at_ + 10)} << 16 : u16(at_ + 6);
    at_ += is_long ? 12 : 8;
    if (!has(length)) return false;
    value = bytes_.substr(at_, length);
    value.erase(value.find_last_not_of(std::string(" \0", 2)) + 1);
    at_ += length;
    return true;
  }

  std::uint16_t element = 0;
  std::string value;

 private:
  bool has(std::size_t count) const { return count <= bytes_.size() - at_; }
  std::uint16_t u16(std::size_t at) const {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes_[at]) |
                                      static_cast<unsigned char>(bytes_[at + 1]) << 8);
  }

  const std::string& bytes_;
  std::size_t at_;
};

bool is_part_10(const std::string& bytes) {
  return bytes.size() >= kPreamble + 4 && bytes.compare(kPreamble, 4, "DICM") == 0;
}

/// What the zlib data (RFC 1950) after 8 bytes start with; "" when there are none.
std::string unpacked_start(std::string& bytes) {
  constexpr std::size_t kSize = 8;
  if (bytes.size() <= kSize + 2 || bytes[kSize] != 0x78) return {};
  std::string start(kPreamble + 4, '\0');
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data()) + kSize;
  stream.avail_in = static_cast<uInt>(bytes.size() - kSize);
  stream.next_out = reinterpret_cast<Bytef*>(start.data());
  stream.avail_out = static_cast<uInt>(start.size());
  inflate(&stream, Z_SYNC_FLUSH);
  start.resize(start.size() - stream.avail_out);
  inflateEnd(&stream);
  return start;
}

}  // namespace

FileKind kind_of_file(const std::string& path) {
  // A pipe would never end.
  if (std::error_code error; !std::filesystem::is_regular_file(path, error)) return FileKind::unreadable;
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kStart, '\0');
  if (!file) return FileKind::unreadable;
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (!is_part_10(bytes)) return is_part_10(unpacked_start(bytes)) ? FileKind::orthanc_packed : FileKind::unknown;
  for (MetaReader meta(bytes); meta.next();)
    if (meta.element == 0x0002 && meta.value == UID_MediaStorageDirectoryStorage) return FileKind::dicomdir;
  return FileKind::dicom;
}

}  // namespace oncotome::dicom
