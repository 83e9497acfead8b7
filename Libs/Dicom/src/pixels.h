// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcfcache.h>
#include <dcmtk/dcmdata/dctk.h>

#include <cstring>
#include <string>
#include <vector>

#include "codestream.h"
#include "pixel_module.h"

namespace oncotome::dicom {

/// One decoded frame.
struct Frame {
  PixelFormat format;  ///< Of the cells; where pixels were compressed, as the decoder says.
  int samples = 1;
  bool is_ycc = false;  ///< The three samples are YCbCr of full range.
  Bytes cells;          ///< In the machine's byte order, color by pixel.

  std::size_t count() const { return cells.size() / static_cast<std::size_t>(format.bits_allocated / 8); }
};

/// The pixels of one file, native or compressed; decodes one frame at a time. The file must outlive it.
class PixelSource {
 public:
  /// `what` names the file in messages. Throws Error{input_unreadable, input_unsupported, dicom_bad_value,
  /// dicom_syntax_unsupported}.
  PixelSource(DcmFileFormat& file, std::string what);

  const PixelModule& module() const { return module_; }
  /// Bytes of native pixels behind the last frame, a pad byte aside.
  std::uint64_t surplus() const { return surplus_; }
  /// `index` from 0. Throws Error{input_unreadable, input_unsupported}; std::bad_alloc.
  Frame frame(std::int64_t index);

 private:
  void find_native();
  void find_fragments(DcmPixelSequence& sequence);
  void split_by_table();
  void split_by_marker();
  Frame native_frame(std::int64_t index);
  Frame compressed_frame(std::int64_t index);
  Bytes codestream(std::int64_t index);
  Codestream checked_header(const Bytes& stream) const;
  [[noreturn]] void unreadable(const std::string& what) const;

  const std::string what_;
  PixelModule module_;
  std::uint64_t surplus_ = 0;
  DcmPixelData* data_ = nullptr;
  std::vector<DcmPixelItem*> fragments_;  ///< Of compressed pixels; the first is the offset table.
  E_TransferSyntax syntax_ = EXS_Unknown;
  DcmFileCache cache_;
  std::vector<std::size_t> first_fragment_;  ///< Of each frame, and one behind the last.
};

/// Stored value from a pixel cell: the bits that end at HighBit, with their sign.
class StoredValue {
 public:
  explicit StoredValue(const PixelFormat& f)
      : shift_(f.high_bit + 1 - f.bits_stored),
        mask_((std::uint64_t{1} << f.bits_stored) - 1),
        sign_(f.is_signed ? std::uint64_t{1} << (f.bits_stored - 1) : 0) {}

  std::int64_t operator()(std::uint32_t cell) const {
    const std::uint64_t bits = (cell >> shift_) & mask_;
    return static_cast<std::int64_t>(bits ^ sign_) - static_cast<std::int64_t>(sign_);
  }

 private:
  int shift_;
  std::uint64_t mask_, sign_;
};

/// Calls use(index, stored value) for every sample of a frame.
template <class Use>
void for_each_value(const Frame& frame, Use use) {
  const StoredValue stored(frame.format);
  const auto walk = [&](auto cell) {
    for (std::size_t i = 0, n = frame.count(); i < n; ++i) {
      std::memcpy(&cell, frame.cells.data() + i * sizeof cell, sizeof cell);
      use(i, stored(cell));
    }
  };
  if (frame.format.bits_allocated == 8)
    walk(std::uint8_t{});
  else if (frame.format.bits_allocated == 16)
    walk(std::uint16_t{});
  else
    walk(std::uint32_t{});
}

}  // namespace oncotome::dicom
