// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oncotome/engine/tensor.h"

namespace oncotome::workflow {

/// True for the pictures that are read: .png, .jpg and .jpeg, in any case.
bool is_picture_file(const std::string& path);

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
