// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oncotome/engine/tensor.h"

namespace oncotome::workflow {

/// True for the pictures that are read: .png, .jpg and .jpeg, in any case.
bool is_picture_file(const std::string& path);

/// A picture of `given` channels as [1,`wanted`,1,H,W], each 1 or 3 but for an alpha channel, which is left out;
/// value(i, c) is channel c of pixel i. Gray repeats as RGB; of RGB, one channel is the luma (ITU-R BT.601).
template <class Value>
engine::Tensor picture_tensor(std::int64_t height, std::int64_t width, std::int64_t given, std::int64_t wanted,
                              const Value& value) {
  engine::Tensor out({1, wanted, 1, height, width});
  const auto pixels = static_cast<std::size_t>(height * width);
  for (std::size_t i = 0; i < pixels; ++i)
    if (given >= 3 && wanted == 1)
      out.values[i] = 0.299F * value(i, 0) + 0.587F * value(i, 1) + 0.114F * value(i, 2);
    else
      for (std::size_t c = 0; c < static_cast<std::size_t>(wanted); ++c)
        out.values[c * pixels + i] = value(i, given >= 3 ? c : 0);
  return out;
}

/// Reads a PNG or JPEG of 8 or 16 bits as [1,`channels`,1,H,W], 0 to 255, row 0 on top. Gray repeats as RGB; of RGB,
/// one channel is the luma (ITU-R BT.601, as PIL's "L"); transparency is left out. Throws Error{input_not_found,
/// input_unreadable, input_unsupported}, whose message names the file without its folder.
engine::Tensor read_picture(const std::string& path, std::int64_t channels);

/// The same, with messages that do not name the file: names can hold a patient's.
engine::Tensor read_nameless_picture(const std::string& path, std::int64_t channels);

/// Writes labels, row by row from the top, as a gray PNG of 8 bits whose values are the labels. Throws
/// Error{output_unwritable}.
void write_mask_png(const std::string& path, std::int64_t width, std::int64_t height,
                    const std::vector<std::uint8_t>& labels);

/// Writes values times `scale`, rounded, 0 to 65535, as a gray PNG of 16 bits. Throws the same.
void write_deep_png(const std::string& path, std::int64_t width, std::int64_t height, const std::vector<float>& values,
                    double scale);

}  // namespace oncotome::workflow
