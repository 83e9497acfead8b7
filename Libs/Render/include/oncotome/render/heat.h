// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/render/pictures.h"

namespace oncotome::render {

/// PNG of a picture and, beside it, the same under its heat, 0 to 1 for each pixel, below lines of text. Heat is
/// glowing and the more opaque the hotter. Needs no GL. Throws Error{output_unwritable}.
void write_heat_picture(const std::string& path, const std::vector<std::string>& heading, const Picture& picture,
                        const std::vector<float>& heat);

/// PNG of the hottest axial slices of a volume, each as it is and under the heat, which lies on its grid: at most four,
/// of those that lie near each other one. `modality` chooses the window as Scene's does. Throws the same.
void write_heat_slices(const std::string& path, const std::vector<std::string>& heading, const Volume<float>& image,
                       const Volume<float>& heat, const std::string& modality);

/// The slice with the most heat.
std::int64_t hottest_slice(const Volume<float>& heat);

/// PNG of pictures of one size in rows, `per_row` of them, below lines of text. Throws the same.
void write_tiles(const std::string& path, const std::vector<std::string>& heading, const std::vector<Picture>& tiles,
                 std::size_t per_row);

}  // namespace oncotome::render
