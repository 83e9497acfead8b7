// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace oncotome::dicom {

/// Bytes that hold so many bits, padded to even length.
inline std::size_t packed_size(std::size_t bits) { return (bits + 15) / 16 * 2; }

/// Sets the bits from `first` on where a voxel equals `value`. The bits of all frames are one string, the lowest bit of
/// a byte first, with no padding between rows or frames (PS3.5 section 8.1.1 and annex D).
template <class T>
void set_bits(std::vector<std::uint8_t>& bytes, std::size_t first, const T* voxels, std::size_t count, T value) {
  for (std::size_t i = 0; i < count; ++i)
    if (voxels[i] == value) bytes[(first + i) / 8] |= static_cast<std::uint8_t>(1u << (first + i) % 8);
}

}  // namespace oncotome::dicom
