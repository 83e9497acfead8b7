// SPDX-License-Identifier: Apache-2.0
#include "explanation_pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "oncotome/engine/classification.h"
#include "oncotome/render/heat.h"

namespace oncotome::workflow {
namespace {

using engine::Tensor;
using render::Picture;

std::uint8_t byte_of(double value, double low, double high) {
  if (!(high > low)) return 0;
  return static_cast<std::uint8_t>(std::lround(255 * std::clamp((value - low) / (high - low), 0.0, 1.0)));
}

/// A plane [H,W] of gray, or three of color, each `step` after the other; a voxel becomes a square of pixels.
Picture tile(const float* plane, std::int64_t height, std::int64_t width, std::size_t step, double low, double high) {
  constexpr std::int64_t kSide = 48;
  const std::int64_t factor = (kSide - 1) / std::max(height, width) + 1;
  Picture out{static_cast<int>(factor * width), static_cast<int>(factor * height), {}};
  out.rgb.reserve(static_cast<std::size_t>(out.width * out.height) * 3);
  for (std::int64_t y = 0; y < out.height; ++y)
    for (std::int64_t x = 0; x < out.width; ++x)
      for (std::size_t c = 0; c < 3; ++c)
        out.rgb.push_back(
            byte_of(plane[c * step + static_cast<std::size_t>(y / factor * width + x / factor)], low, high));
  return out;
}

std::size_t square_of(std::size_t tiles) {
  return static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(tiles))));
}

std::string shown(std::size_t tiles, std::size_t all) {
  return tiles < all ? ", of which the first " + std::to_string(tiles) : "";
}

}  // namespace

std::vector<std::string> heat_heading(const std::string& class_name, double probability, const std::string& layer) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * probability);
  return {class_name + ", probability " + text, "Grad-CAM at " + layer};
}

void draw_heat(const std::string& path, const std::vector<std::string>& heading, const Tensor& picture,
               const Tensor& heat) {
  constexpr double kSide = 320;
  const std::int64_t H = picture.shape[3], W = picture.shape[4];
  const double scale = kSide / static_cast<double>(std::max(H, W));
  const auto scaled = [&](std::int64_t n) {
    return std::max<std::int64_t>(1, std::llround(scale * static_cast<double>(n)));
  };
  const engine::Dhw size{1, scaled(H), scaled(W)};
  const auto [least, greatest] = std::minmax_element(picture.values.begin(), picture.values.end());
  const bool is_shown = *least >= 0 && *greatest <= 255;
  const Tensor seen = engine::resize_image(picture, size);
  const std::size_t pixels = static_cast<std::size_t>(size[1] * size[2]);
  Picture out{static_cast<int>(size[2]), static_cast<int>(size[1]), {}};
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t c = 0; c < 3; ++c)
      out.rgb.push_back(byte_of(seen.values[picture.shape[1] == 3 ? c * pixels + i : i], is_shown ? 0 : *least,
                                is_shown ? 255 : *greatest));
  render::write_heat_picture(path, heading, out, engine::resize_image(heat, size).values);
}

void draw_filters(const std::string& path, const Tensor& filters) {
  const std::vector<std::int64_t>& shape = filters.shape;
  const auto count = static_cast<std::size_t>(shape[0]), channels = static_cast<std::size_t>(shape[1]);
  const auto plane = static_cast<std::size_t>(shape[3] * shape[4]), kernel = static_cast<std::size_t>(shape[2]) * plane;
  const bool in_color = channels == 3;
  const std::size_t per_filter = in_color ? 1 : channels, all = count * per_filter;
  std::vector<Picture> tiles;
  for (std::size_t i = 0; i < std::min(all, kMostTiles); ++i) {
    const float* first = filters.values.data() + i / per_filter * channels * kernel;
    double greatest = 0;
    for (std::size_t v = 0; v < channels * kernel; ++v)
      greatest = std::max(greatest, std::abs(static_cast<double>(first[v])));
    const float* middle = first + i % per_filter * kernel + static_cast<std::size_t>(shape[2] / 2) * plane;
    tiles.push_back(tile(middle, shape[3], shape[4], in_color ? kernel : 0, -greatest, greatest));
  }
  render::write_tiles(path, {std::to_string(count) + " filters" + shown(tiles.size(), all)}, tiles,
                      per_filter > 1 ? std::min(per_filter, std::size_t{16}) : square_of(tiles.size()));
}

void draw_features(const std::string& path, const std::string& layer, const Tensor& features, std::int64_t z) {
  const std::vector<std::int64_t>& shape = features.shape;
  const auto all = static_cast<std::size_t>(shape[1]), plane = static_cast<std::size_t>(shape[3] * shape[4]);
  std::vector<Picture> tiles;
  for (std::size_t c = 0; c < std::min(all, kMostTiles); ++c) {
    const float* first =
        features.values.data() + (c * static_cast<std::size_t>(shape[2]) + static_cast<std::size_t>(z)) * plane;
    const auto [least, greatest] = std::minmax_element(first, first + plane);
    tiles.push_back(tile(first, shape[3], shape[4], 0, *least, *greatest));
  }
  const std::string heading = layer + ": " + std::to_string(all) + " channels of " + std::to_string(shape[3]) + " x " +
                              std::to_string(shape[4]) + shown(tiles.size(), all);
  render::write_tiles(path, {heading}, tiles, square_of(tiles.size()));
}

}  // namespace oncotome::workflow
