// SPDX-License-Identifier: Apache-2.0
#include "image_io.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>  // for jpeglib.h
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>

#include <jpeglib.h>

#include <jerror.h>

#include "oncotome/core/error.h"

namespace oncotome::workflow {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;
constexpr int kMostScans = 200;  // of a progressive JPEG; more only take time

std::string lower_ending(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending;
}

/// Pixels as they are stored, channels together.
struct Stored {
  std::int64_t width = 0, height = 0, channels = 0;
  bool is_deep = false;             ///< Two bytes each, the greater one first.
  std::vector<std::uint8_t> bytes;  ///< Row by row.

  std::size_t row_bytes() const { return static_cast<std::size_t>(width * channels * (is_deep ? 2 : 1)); }
  /// 0 to 255.
  float value(std::size_t i) const {
    return is_deep ? static_cast<float>(256 * bytes[2 * i] + bytes[2 * i + 1]) / 257 : static_cast<float>(bytes[i]);
  }
};

[[noreturn]] void damaged() { throw Error(ErrorCode::input_unreadable, "it is damaged or not what its ending says"); }

void check_size(std::int64_t width, std::int64_t height) {
  if (width < 1 || height < 1) damaged();
  if (width > kMostPixels / height) throw Error(ErrorCode::input_unsupported, "the picture has more than 2^28 pixels");
}

// Sizes the rest by the header that was read.
void shape(Stored& out, std::int64_t width, std::int64_t height, std::int64_t channels, bool is_deep = false) {
  check_size(width, height);
  if (channels < 1) damaged();
  if (channels > 4) throw Error(ErrorCode::input_unsupported, "the picture has more than four channels");
  out.width = width;
  out.height = height;
  out.channels = channels;
  out.is_deep = is_deep;
  out.bytes.resize(static_cast<std::size_t>(height) * out.row_bytes());
}

/// The decoders are C and leave by longjmp: what is between setjmp and that has nothing to destroy.
class PngDecoder {
 public:
  explicit PngDecoder(const std::string& bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, nullptr, [](png_structp png, png_const_charp) { png_longjmp(png, 1); },
        [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) throw std::bad_alloc();
    png_set_read_fn(png_, this, [](png_structp png, png_bytep out, std::size_t count) {
      auto* self = static_cast<PngDecoder*>(png_get_io_ptr(png));
      if (count > self->bytes_.size() - self->place_) png_error(png, "cut short");
      std::memcpy(out, self->bytes_.data() + self->place_, count);
      self->place_ += count;
    });
  }
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  Stored decode() {
    if (!read_header()) damaged();
    const auto height = static_cast<std::size_t>(png_get_image_height(png_, info_));
    check_size(png_get_image_width(png_, info_), png_get_image_height(png_, info_));
    if (packed_row_ > kMostInflated * bytes_.size() / height) damaged();
    Stored out;
    shape(out, png_get_image_width(png_, info_), png_get_image_height(png_, info_), png_get_channels(png_, info_),
          png_get_bit_depth(png_, info_) == 16);
    std::vector<png_bytep> rows;
    for (std::size_t y = 0; y < height; ++y) rows.push_back(out.bytes.data() + y * out.row_bytes());
    if (!read_rows(rows.data())) damaged();
    return out;
  }

 private:
  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_info(png_, info_);
    packed_row_ = png_get_rowbytes(png_, info_);
    png_set_expand(png_);  // palettes, less than 8 bits
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }
  bool read_rows(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  static constexpr std::size_t kMostInflated = 1032;  ///< Bytes that deflate makes of one.

  const std::string& bytes_;
  std::size_t place_ = 0, packed_row_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class JpegDecoder {
 public:
  explicit JpegDecoder(const std::string& bytes) : bytes_(bytes) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = [](j_common_ptr jpeg) {
      std::longjmp(static_cast<JpegDecoder*>(jpeg->client_data)->back_, 1);
    };
    // Pixels that are missing or make no sense are but a warning to the decoder, which goes on in gray.
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      auto* self = static_cast<JpegDecoder*>(jpeg->client_data);
      self->has_damage_ = self->has_damage_ || (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA);
    };
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = [](j_common_ptr jpeg) {
      if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMostScans) jpeg->err->error_exit(jpeg);
    };
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&jpeg_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  Stored decode() {
    if (!read_header()) damaged();
    Stored out;
    shape(out, jpeg_.output_width, jpeg_.output_height, jpeg_.output_components);
    for (std::size_t y = 0; y < jpeg_.output_height; ++y)
      if (!read_row(out.bytes.data() + y * out.row_bytes())) damaged();
    if (!finish() || has_damage_) damaged();
    return out;
  }

 private:
  bool read_header() {
    if (setjmp(back_) != 0) return false;
    jpeg_create_decompress(&jpeg_);
    jpeg_.progress = &progress_;
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&jpeg_, TRUE);
    // A block of 64 pixels takes a bit at least.
    if (std::size_t{jpeg_.image_width} * jpeg_.image_height / kMostPixelsPerByte > bytes_.size()) return false;
    jpeg_.out_color_space = jpeg_.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&jpeg_);
    return true;
  }
  bool read_row(JSAMPROW row) {
    if (setjmp(back_) != 0) return false;
    return jpeg_read_scanlines(&jpeg_, &row, 1) == 1;
  }
  bool finish() {
    if (setjmp(back_) != 0) return false;
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  static constexpr std::size_t kMostPixelsPerByte = 512;

  const std::string& bytes_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf back_{};
  bool has_damage_ = false;
};

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

engine::Tensor as_channels(const Stored& stored, std::int64_t channels) {
  return picture_tensor(stored.height, stored.width, stored.channels, channels, [&](std::size_t i, std::size_t c) {
    return stored.value(i * static_cast<std::size_t>(stored.channels) + c);
  });
}

void write_png(const std::string& path, std::int64_t width, std::int64_t height, png_uint_32 format,
               const void* pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = format;
  if (png_image_write_to_file(&image, path.c_str(), 0, pixels, 0, nullptr) == 0)
    throw Error(ErrorCode::output_unwritable,
                "cannot write a mask: check the folder, its permissions and the free space");
}

}  // namespace

bool is_picture_file(const std::string& path) {
  const std::string ending = lower_ending(path);
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

engine::Tensor read_nameless_picture(const std::string& path, std::int64_t channels) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    throw Error(ErrorCode::input_not_found, "there is no such picture");
  if (!is_picture_file(path)) throw Error(ErrorCode::input_unsupported, "it is no PNG or JPEG picture");
  if (channels != 1 && channels != 3)
    throw Error(ErrorCode::input_unsupported, "a picture has one channel or three, not " + std::to_string(channels));
  try {
    const std::string bytes = bytes_of(path);
    return as_channels(lower_ending(path) == ".png" ? PngDecoder(bytes).decode() : JpegDecoder(bytes).decode(),
                       channels);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory for its pixels");
  }
}

engine::Tensor read_picture(const std::string& path, std::int64_t channels) {
  try {
    return read_nameless_picture(path, channels);
  } catch (const Error& e) {
    throw Error(e.code(), "'" + std::filesystem::path(path).filename().string() + "': " + e.what());
  }
}

void write_mask_png(const std::string& path, std::int64_t width, std::int64_t height,
                    const std::vector<std::uint8_t>& labels) {
  write_png(path, width, height, PNG_FORMAT_GRAY, labels.data());
}

void write_deep_png(const std::string& path, std::int64_t width, std::int64_t height, const std::vector<float>& values,
                    double scale) {
  std::vector<std::uint16_t> deep;
  deep.reserve(values.size());
  for (const float value : values)
    deep.push_back(
        static_cast<std::uint16_t>(std::lround(std::clamp(scale * static_cast<double>(value), 0.0, 65535.0))));
  write_png(path, width, height, PNG_FORMAT_LINEAR_Y, deep.data());
}

}  // namespace oncotome::workflow
