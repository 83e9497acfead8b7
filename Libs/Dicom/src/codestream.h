// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace oncotome::dicom {

using Bytes = std::vector<std::uint8_t>;

/// What the header of a compressed image says, read before memory or time is spent on it.
struct Codestream {
  std::int64_t width = 0, height = 0;
  int samples = 0;
  int precision = 0;           ///< Bits of a sample.
  bool is_signed = false;      ///< Of JPEG 2000; the others do not say.
  std::optional<bool> is_ycc;  ///< Whether the samples are YCbCr after decoding, where the stream says so.
};

/// ISO/IEC 10918-1 and 14495-1. Both throw Error{input_unreadable, input_unsupported} for what must not reach a
/// decoder.
Codestream read_jpeg_header(const Bytes& stream);
/// ISO/IEC 15444-1.
Codestream read_jpeg2000_header(const Bytes& stream);

/// PS3.5 annex G: throws Error{input_unreadable} unless there are so many segments and each unpacks to so many bytes;
/// DCMTK's decoder fills what is missing with zeros.
void check_rle(const Bytes& stream, std::uint32_t segments, std::size_t segment_bytes);

/// Whether a fragment starts an image of JPEG, JPEG-LS or JPEG 2000.
bool starts_codestream(const std::uint8_t* bytes, std::size_t size);

}  // namespace oncotome::dicom
