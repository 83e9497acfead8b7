// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace oncotome {

/// SHA-256, FIPS 180-4, fed piece by piece. Core has it because the engine-only build has no OpenSSL.
class Sha256 {
 public:
  Sha256() noexcept;
  void update(const void* data, std::size_t size) noexcept;
  /// The digest of everything fed; the object is spent then.
  std::array<std::uint8_t, 32> finish() noexcept;

 private:
  void compress(const std::uint8_t* blocks, std::size_t count) noexcept;
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> pending_{};
  std::uint64_t length_ = 0;
};

/// 64 lower-case hex digits.
std::string hex(const std::array<std::uint8_t, 32>& digest);
/// SHA-256 of the bytes, in the same digits.
std::string sha256_hex(std::string_view bytes);
/// Of a whole file; throws Error{input_unreadable}.
std::string sha256_hex_of_file(const std::string& path);

/// A UID under 2.25 (DICOM PS3.5 annex B.2), at most 44 characters. The same seed gives the same UID, so a re-run with
/// the same input, model and parameters names the same objects.
std::string make_uid(std::string_view seed);

}  // namespace oncotome
