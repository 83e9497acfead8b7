// SPDX-License-Identifier: Apache-2.0
#include "nifti_header.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "oncotome/core/error.h"

namespace oncotome::workflow {
namespace {

// niftilib makes zeros of voxels that are not finite. An exponent of ones tells them (IEEE 754).
void check_finite(gzFile file, int datatype, bool little, z_off_t first, std::int64_t bytes) {
  const std::size_t size = datatype == 16 ? 4 : datatype == 64 ? 8 : 0;
  if (size == 0 || gzseek(file, first, SEEK_SET) != first) return;
  std::vector<unsigned char> chunk(std::size_t{1} << 20);
  while (bytes > 0) {
    const int got = gzread(file, chunk.data(), static_cast<unsigned>(std::min<std::int64_t>(bytes, 1 << 20)));
    if (got <= 0) return;
    bytes -= got;
    for (std::size_t i = 0; i + size <= static_cast<std::size_t>(got); i += size) {
      const unsigned high = chunk[i + (little ? size - 1 : 0)], next = chunk[i + (little ? size - 2 : 1)];
      const unsigned ones = size == 4 ? 0x7f80u : 0x7ff0u;
      if (((high << 8 | next) & ones) == ones)
        throw Error(ErrorCode::input_unreadable, "it holds voxels that are not finite (NaN); repair the file");
    }
  }
}

// Bytes of a voxel, as niftilib has them: it does not look at bitpix. Binary voxels it does not read.
std::int64_t voxel_bytes(int datatype) {
  constexpr std::pair<int, int> kTypes[] = {{2, 1},     {4, 2},     {8, 4},     {16, 4},  {32, 8},   {64, 8},
                                            {128, 3},   {256, 1},   {512, 2},   {768, 4}, {1024, 8}, {1280, 8},
                                            {1536, 16}, {1792, 16}, {2048, 32}, {2304, 4}};
  for (const auto& [type, bytes] : kTypes)
    if (type == datatype) return bytes;
  throw Error(ErrorCode::input_unsupported, "its header names a type of voxels that is not known");
}

}  // namespace

void check_nifti_header(const std::string& path) {
  constexpr std::size_t kSize = 348;
  constexpr std::int64_t kMostBytes = std::int64_t{4} << 30;
  std::array<unsigned char, kSize> header{};
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), &gzclose);
  if (!file || gzread(file.get(), header.data(), kSize) != static_cast<int>(kSize)) return;
  const bool little = header[0] == 0x5c;  // sizeof_hdr is 348
  const auto number = [&](std::size_t offset) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) bits |= std::uint32_t{header[offset + i]} << 8 * (little ? i : 3 - i);
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  };
  // niftilib writes to stderr by itself on a number of axes that it does not know.
  const auto two_bytes = [&](std::size_t offset) {
    return little ? header[offset] | header[offset + 1] << 8 : header[offset + 1] | header[offset] << 8;
  };
  const int axes = two_bytes(40);
  if (axes < 1 || axes > 7) throw Error(ErrorCode::input_unreadable, "it is damaged: its header has no number of axes");
  // pixdim[0..3] at 76; quatern_b to srow_z at 256.
  for (const auto& [first, end] : {std::pair<std::size_t, std::size_t>{76, 92}, {256, 328}})
    for (std::size_t offset = first; offset < end; offset += 4)
      if (!std::isfinite(number(offset)))
        throw Error(ErrorCode::input_unreadable, "its header's geometry holds a number that is not finite");
  for (std::size_t offset = 80; offset < 92; offset += 4)
    if (!(number(offset) > 0)) throw Error(ErrorCode::input_unreadable, "its header's voxel size is no length");
  // niftilib fills what is missing with zeros. gzgetc tells the end of a compressed file only by reading up to it.
  float start = number(108);
  if (!(start >= 0 && start <= 1e9F))
    throw Error(ErrorCode::input_unreadable, "it is damaged: its header does not say where its voxels start");
  // In one file with the header, niftilib looks for them behind it.
  if (std::memcmp(header.data() + 344, "n+1", 3) == 0) start = std::max(start, static_cast<float>(kSize));
  std::int64_t bytes = voxel_bytes(two_bytes(70));
  for (int axis = 1; axis <= axes; ++axis) {
    bytes *= std::max(1, two_bytes(40 + 2 * static_cast<std::size_t>(axis)));
    if (bytes > kMostBytes) throw Error(ErrorCode::input_unreadable, "its header promises more than 4 GiB of voxels");
  }
  const z_off_t last = static_cast<z_off_t>(start) + bytes - 1;
  if (gzseek(file.get(), last, SEEK_SET) != last || gzgetc(file.get()) == -1)
    throw Error(ErrorCode::input_unreadable, "it is cut off: its header promises more voxels than it holds");
  check_finite(file.get(), two_bytes(70), little, last + 1 - bytes, bytes);
  if (header[252] == 0 && header[253] == 0 && header[254] == 0 && header[255] == 0)
    throw Error(ErrorCode::input_unsupported,
                "its header states no orientation (qform and sform codes are 0), so left and right cannot be told");
}

}  // namespace oncotome::workflow
