// SPDX-License-Identifier: Apache-2.0
#include "inflate.h"

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <new>

#include "oncotome/core/error.h"

namespace oncotome::dicom {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{2} << 30, kFreeBytes = std::uint64_t{32} << 20, kMaxRatio = 100;
constexpr std::size_t kChunk = std::size_t{1} << 16;

}  // namespace

void inflate_rest(std::istream& deflated, std::vector<char>& out) {
  const auto fail = [&](const char* what) { throw Error(ErrorCode::input_unreadable, std::string("the file") + what); };
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, inflateEnd);
  std::vector<char> in(kChunk), inflated(kChunk);
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      deflated.read(in.data(), static_cast<std::streamsize>(in.size()));
      stream.next_in = reinterpret_cast<Bytef*>(in.data());
      stream.avail_in = static_cast<uInt>(deflated.gcount());
    }
    stream.next_out = reinterpret_cast<Bytef*>(inflated.data());
    stream.avail_out = static_cast<uInt>(inflated.size());
    state = inflate(&stream, Z_NO_FLUSH);
    if (state == Z_MEM_ERROR) throw std::bad_alloc();
    if (state != Z_OK && state != Z_STREAM_END) fail(" is deflated, and damaged or cut short");
    out.insert(out.end(), inflated.begin(), inflated.end() - static_cast<std::ptrdiff_t>(stream.avail_out));
    if (stream.total_out > kMaxBytes ||
        (stream.total_out > kFreeBytes && stream.total_out / kMaxRatio > stream.total_in))
      fail(" inflates to far more than its size: it was made to do harm");
  }
}

}  // namespace oncotome::dicom
