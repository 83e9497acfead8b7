// SPDX-License-Identifier: Apache-2.0
#include "codestream.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "oncotome/core/error.h"

namespace oncotome::dicom {
namespace {

constexpr int kMaxScans = 256;
constexpr std::int64_t kMostSide = 65535;  // Rows and Columns have 16 bits
constexpr std::int64_t kMaxTiles = 16384;
/// Code blocks and precincts cost a decoder some hundred bytes each.
constexpr std::int64_t kMaxBlocks = std::int64_t{1} << 22;

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::input_unreadable, "the compressed image is damaged: " + what);
}

[[noreturn]] void unsupported(const std::string& what) {
  throw Error(ErrorCode::input_unsupported, what + " is not supported: send the image uncompressed");
}

/// Big-endian numbers at offsets.
class Reader {
 public:
  Reader(const Bytes& bytes, std::size_t start, std::size_t end) : bytes_(bytes), at_(start), end_(end) {}

  bool has(std::size_t count) const { return count <= end_ - at_; }
  std::size_t at() const { return at_; }
  void skip(std::size_t count) {
    if (!has(count)) damaged("its header is cut short");
    at_ += count;
  }
  std::uint32_t number(std::size_t count) {
    const std::size_t start = at_;
    skip(count);
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes_[start + i];
    return value;
  }
  /// The marker segment that starts here, its length field taken; this reader goes behind it.
  Reader segment() {
    const std::uint32_t length = number(2);
    if (length < 2) damaged("a marker segment is too short");
    const std::size_t start = at_;
    skip(length - 2);
    return {bytes_, start, at_};
  }
  bool starts_with(const char* text, std::size_t count) const {
    return has(count) && std::memcmp(bytes_.data() + at_, text, count) == 0;
  }

 private:
  const Bytes& bytes_;
  std::size_t at_, end_;
};

class JpegHeader {
 public:
  explicit JpegHeader(const Bytes& stream) : stream_(stream), reader_(stream, 0, stream.size()) {}

  Codestream read() {
    if (!reader_.has(2) || reader_.number(2) != 0xffd8) damaged("no JPEG starts there");
    while (take_marker() != 0xda) take_segment();
    if (result_.samples == 0) damaged("its frame header is missing");
    check_length();
    if (is_progressive_) check_scans();
    if (result_.samples == 3) result_.is_ycc = color();
    return result_;
  }

 private:
  std::uint32_t take_marker() {
    if (reader_.number(1) != 0xff) damaged("a marker is missing");
    do marker_ = reader_.number(1);
    while (marker_ == 0xff);
    return marker_;
  }

  void take_segment() {
    if (marker_ == 0xd9 || marker_ == 0xd8 || marker_ == 0) damaged("it has no image");
    if (marker_ == 0x01 || (marker_ >= 0xd0 && marker_ <= 0xd7)) return;
    Reader segment = reader_.segment();
    const bool is_frame = marker_ >= 0xc0 && marker_ <= 0xcf && marker_ != 0xc4 && marker_ != 0xc8 && marker_ != 0xcc;
    if (is_frame || marker_ == 0xf7) return take_frame(segment);
    if (marker_ == 0xe0 && segment.starts_with("JFIF", 5)) is_jfif_ = true;
    if (marker_ == 0xee && segment.starts_with("Adobe", 5) && segment.has(12)) {
      segment.skip(11);
      adobe_ = segment.number(1);
    }
  }

  void take_frame(Reader segment) {
    if (result_.samples != 0) damaged("it has two frame headers");
    if (marker_ > 0xc3 && marker_ != 0xf7) unsupported("hierarchical or arithmetic JPEG");
    is_progressive_ = marker_ == 0xc2;
    is_jpeg_ls_ = marker_ == 0xf7;
    is_lossless_ = marker_ == 0xc3 || is_jpeg_ls_;
    result_.precision = static_cast<int>(segment.number(1));
    result_.height = segment.number(2);
    result_.width = segment.number(2);
    result_.samples = static_cast<int>(segment.number(1));
    if (result_.samples == 0) damaged("it has no component");
    for (int i = 0; i < result_.samples; ++i) {
      const std::uint32_t id = segment.number(1);
      segment.skip(2);
      if (i < 3) is_rgb_ = is_rgb_ && id == static_cast<unsigned char>("RGB"[i]);
    }
  }

  /// Of an 8 x 8 block there is a bit at least, and of a lossless pixel; JPEG-LS has next to nothing of a flat image.
  void check_length() const {
    const std::int64_t most_pixels_per_byte = is_lossless_ ? 8 : 512;
    if (!is_jpeg_ls_ &&
        result_.width * result_.height / most_pixels_per_byte > static_cast<std::int64_t>(stream_.size()))
      damaged("it is cut short");
  }

  /// Each pass over a big progressive image costs time, and next to no bytes.
  void check_scans() const {
    int scans = 0;
    for (std::size_t i = 0; i + 1 < stream_.size(); ++i)
      if (stream_[i] == 0xff && stream_[i + 1] == 0xda && ++scans > kMaxScans) damaged("it has too many scans");
  }

  std::optional<bool> color() const {
    if (adobe_) return *adobe_ == 1;
    if (is_lossless_) return std::nullopt;
    if (is_jfif_) return true;
    if (is_rgb_) return false;
    return std::nullopt;
  }

  const Bytes& stream_;
  Reader reader_;
  std::uint32_t marker_ = 0;
  Codestream result_;
  bool is_jfif_ = false, is_progressive_ = false, is_lossless_ = false, is_jpeg_ls_ = false, is_rgb_ = true;
  std::optional<std::uint32_t> adobe_;
};

std::int64_t ceil_shift(std::int64_t value, unsigned shift) {
  return shift > 40 ? 1 : (value + (std::int64_t{1} << shift) - 1) >> shift;
}

class Jpeg2000Header {
 public:
  explicit Jpeg2000Header(const Bytes& stream) : stream_(stream), reader_(stream, 0, stream.size()) {}

  Codestream read() {
    if (!reader_.has(4) || reader_.number(2) != 0xff4f || reader_.number(2) != 0xff51)
      damaged("no JPEG 2000 codestream starts there");
    take_size(reader_.segment());
    bool has_style = false;
    std::uint32_t marker = 0;
    while ((marker = reader_.number(2)) != 0xff90) has_style = take_header_segment(marker) || has_style;
    if (!has_style) damaged("its coding style is missing");
    take_tile_parts();
    return result_;
  }

 private:
  void take_size(Reader segment) {
    const std::uint32_t capabilities = segment.number(2);
    if (capabilities & 0x4000) unsupported("High-Throughput JPEG 2000 (HTJ2K)");
    if (capabilities & 0x8000) unsupported("JPEG 2000 with extensions of part 2");
    const std::int64_t right = segment.number(4), bottom = segment.number(4), left = segment.number(4),
                       top = segment.number(4), tile_width = segment.number(4), tile_height = segment.number(4),
                       tile_left = segment.number(4), tile_top = segment.number(4);
    result_.width = right - left;
    result_.height = bottom - top;
    result_.samples = static_cast<int>(segment.number(2));
    if (result_.width <= 0 || result_.height <= 0 || result_.width > kMostSide || result_.height > kMostSide ||
        tile_width == 0 || tile_height == 0 || tile_left > left || tile_top > top || result_.samples == 0)
      damaged("its sizes make no sense");
    const std::int64_t across = (right - tile_left + tile_width - 1) / tile_width,
                       down = (bottom - tile_top + tile_height - 1) / tile_height;
    tile_width_ = std::min(tile_width, result_.width);
    tile_height_ = std::min(tile_height, result_.height);
    if (across > kMaxTiles || down > kMaxTiles || across * down > kMaxTiles) damaged("it has too many tiles");
    tiles_ = across * down;
    for (int i = 0; i < result_.samples; ++i) {
      const std::uint32_t depth = segment.number(1);
      const int precision = static_cast<int>(depth & 0x7f) + 1;
      if (i > 0 && depth != depth_) unsupported("JPEG 2000 whose components differ in depth");
      depth_ = depth;
      result_.precision = precision;
      result_.is_signed = (depth & 0x80) != 0;
      if (segment.number(1) != 1 || segment.number(1) != 1) unsupported("JPEG 2000 with sub-sampled components");
    }
  }

  /// True for the coding style default.
  bool take_header_segment(std::uint32_t marker) {
    if (marker < 0xff00 || marker == 0xffd9 || marker == 0xff93) damaged("a marker is missing");
    Reader segment = reader_.segment();
    if (marker == 0xff50) unsupported("High-Throughput JPEG 2000 (HTJ2K)");
    if (marker == 0xff52) {
      const std::uint32_t style = segment.number(1);
      segment.skip(3);
      result_.is_ycc = segment.number(1) != 0 ? std::optional<bool>(false) : std::nullopt;
      check_style(segment, (style & 1) != 0);
      return true;
    }
    if (marker == 0xff53) {
      segment.skip(result_.samples < 257 ? 1u : 2u);
      const std::uint32_t style = segment.number(1);
      check_style(segment, (style & 1) != 0);
    }
    return false;
  }

  void check_style(Reader segment, bool has_precincts) const {
    const std::uint32_t levels = segment.number(1);
    const std::uint32_t block_width = segment.number(1) + 2, block_height = segment.number(1) + 2;
    segment.skip(2);
    if (levels > 32 || block_width > 10 || block_height > 10 || block_width + block_height > 12)
      damaged("its coding style makes no sense");
    std::int64_t blocks = 0;
    for (std::uint32_t r = 0; r <= levels; ++r) {
      const std::uint32_t precinct = has_precincts ? segment.number(1) : 0xff;
      const std::uint32_t across = precinct & 15, down = precinct >> 4;
      const std::int64_t width = ceil_shift(tile_width_, levels - r), height = ceil_shift(tile_height_, levels - r);
      blocks += (ceil_shift(width, across) + 1) * (ceil_shift(height, down) + 1);
      blocks += (ceil_shift(width, std::min(block_width, across)) + 1) *
                (ceil_shift(height, std::min(block_height, down)) + 1);
    }
    if (blocks > kMaxBlocks / tiles_ / result_.samples) damaged("it has too many code blocks");
  }

  /// Tile-part headers may bring coding styles of their own.
  void take_tile_parts() {
    std::uint32_t marker = 0xff90;
    while (marker == 0xff90) {
      const std::size_t start = reader_.at() - 2;
      Reader part = reader_.segment();
      part.skip(2);
      const std::size_t length = part.number(4);
      while ((marker = reader_.number(2)) != 0xff93) {
        const auto color = result_.is_ycc;
        take_header_segment(marker);
        if (color != result_.is_ycc) unsupported("JPEG 2000 whose tiles differ in color");
      }
      if (length == 0) return;
      if (length < reader_.at() - start) damaged("a tile-part is too short");
      if (length > stream_.size() - start) damaged("it is cut short");
      reader_.skip(start + length - reader_.at());
      if (!reader_.has(2)) return;
      marker = reader_.number(2);
    }
  }

  const Bytes& stream_;
  Reader reader_;
  Codestream result_;
  std::int64_t tile_width_ = 0, tile_height_ = 0, tiles_ = 1;
  std::uint32_t depth_ = 0;
};

}  // namespace

Codestream read_jpeg_header(const Bytes& stream) { return JpegHeader(stream).read(); }

Codestream read_jpeg2000_header(const Bytes& stream) { return Jpeg2000Header(stream).read(); }

void check_rle(const Bytes& stream, std::uint32_t segments, std::size_t segment_bytes) {
  constexpr std::size_t kHeader = 64, kMostSegments = 15;
  const auto word = [&](std::size_t at) {
    return stream[at] | std::uint32_t{stream[at + 1]} << 8 | std::uint32_t{stream[at + 2]} << 16 |
           std::uint32_t{stream[at + 3]} << 24;
  };
  if (stream.size() < kHeader || segments > kMostSegments || word(0) != segments)
    throw Error(ErrorCode::input_unreadable,
                "the RLE image does not have its " + std::to_string(segments) + " segments");
  for (std::size_t s = 0; s < segments; ++s) {
    std::size_t at = word(4 + 4 * s), bytes = 0;
    const std::size_t end = s + 1 < segments ? word(8 + 4 * s) : stream.size();
    if (at < kHeader || end > stream.size()) at = end;
    while (at < end && bytes < segment_bytes) {
      const std::uint8_t control = stream[at];
      const std::size_t literal = control < 128 ? control + std::size_t{1} : 0;
      if (literal > end - at - 1) break;
      bytes += control < 128 ? literal : control > 128 ? std::size_t{257} - control : 0;
      at += control < 128 ? literal + 1 : control > 128 ? 2 : 1;
    }
    if (bytes < segment_bytes || at > end)
      throw Error(ErrorCode::input_unreadable, "the RLE image is cut short: a segment does not hold its pixels");
  }
}

bool starts_codestream(const std::uint8_t* b, std::size_t size) {
  return size >= 4 && b[0] == 0xff &&
         ((b[1] == 0xd8 && b[2] == 0xff) || (b[1] == 0x4f && b[2] == 0xff && b[3] == 0x51));
}

}  // namespace oncotome::dicom
