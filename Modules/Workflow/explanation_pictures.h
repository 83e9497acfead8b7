// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/engine/tensor.h"

namespace oncotome::workflow {

/// What stands above a heat map.
std::vector<std::string> heat_heading(const std::string& class_name, double probability, const std::string& layer);

/// PNG of a picture [1,C,1,H,W], C 1 or 3, beside the same under its heat [1,1,1,H,W], below lines of text. Gray values
/// that are none of a picture go from the least to the greatest. Throws Error{output_unwritable}.
void draw_heat(const std::string& path, const std::vector<std::string>& heading, const engine::Tensor& picture,
               const engine::Tensor& heat);

/// PNG of the filters [C,Cin,kD,kH,kW] of a convolution, in color where it reads three channels, else one tile for each
/// that it reads: gray is 0, black and white the greatest magnitude of the filter. Of volumes the middle slice. At most
/// kMostTiles. Throws the same.
void draw_filters(const std::string& path, const engine::Tensor& filters);

/// PNG of slice z of feature maps [1,C,D,H,W], each from its least to its greatest value; at most kMostTiles. Throws
/// the same.
void draw_features(const std::string& path, const std::string& layer, const engine::Tensor& features, std::int64_t z);

constexpr std::size_t kMostTiles = 256;

}  // namespace oncotome::workflow
