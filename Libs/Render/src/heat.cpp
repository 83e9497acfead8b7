// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/heat.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "slice_painter.h"

namespace oncotome::render {
namespace {

constexpr Rgb kPaper = {16, 18, 22}, kInk = {235, 238, 242};
constexpr int kMargin = 12, kGap = 4, kText = 15, kLine = 22;

/// From black through red and yellow to white.
Rgb glow(double heat) {
  const auto part = [&](double from) {
    return static_cast<std::uint8_t>(std::lround(255 * std::clamp(3 * heat - from, 0.0, 1.0)));
  };
  return {part(0), part(1), part(2)};
}

void paint_heat(Canvas& canvas, int left, int top, int width, const std::vector<double>& heat) {
  constexpr double kMostOpaque = 0.7;
  for (std::size_t i = 0; i < heat.size(); ++i) {
    const int at = static_cast<int>(i);
    canvas.blend(left + at % width, top + at / width, glow(heat[i]), kMostOpaque * std::clamp(heat[i], 0.0, 1.0));
  }
}

void paint(Canvas& canvas, int left, int top, const Picture& picture) {
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      const std::uint8_t* p = &picture.rgb[(static_cast<std::size_t>(y) * picture.width + x) * 3];
      canvas.set(left + x, top + y, {p[0], p[1], p[2]});
    }
}

/// A sheet with its heading, and room for tiles of one size in rows.
struct Sheet {
  int columns, width, height, top;
  Canvas canvas;

  Sheet(const std::vector<std::string>& heading, std::size_t tiles, std::size_t per_row, int tile_width,
        int tile_height)
      : columns(static_cast<int>(std::min(tiles, per_row))),
        width(tile_width + kGap),
        height(tile_height + kGap),
        top(kMargin + kLine * static_cast<int>(heading.size())),
        canvas(sheet_width(heading), top + height * ((static_cast<int>(tiles) + columns - 1) / columns) + kMargin,
               kPaper) {
    int y = kMargin + kLine / 2 - kGap;
    for (const std::string& line : heading) {
      canvas.text(kMargin, y, line, kText, kInk);
      y += kLine;
    }
  }
  int sheet_width(const std::vector<std::string>& heading) const {
    int widest = columns * width - kGap;
    for (const std::string& line : heading) widest = std::max(widest, Canvas::text_width(line, kText));
    return widest + 2 * kMargin;
  }
  int left_of(std::size_t tile) const { return kMargin + static_cast<int>(tile) % columns * width; }
  int top_of(std::size_t tile) const { return top + static_cast<int>(tile) / columns * height; }
};

std::vector<double> heat_of_slices(const Volume<float>& heat) {
  std::vector<double> sums(static_cast<std::size_t>(heat.geometry.size[2]), 0.0);
  const std::size_t plane = heat.voxels.size() / sums.size();
  for (std::size_t z = 0; z < sums.size(); ++z) {
    const auto first = heat.voxels.begin() + static_cast<std::ptrdiff_t>(z * plane);
    sums[z] = std::accumulate(first, first + static_cast<std::ptrdiff_t>(plane), 0.0);
  }
  return sums;
}

/// In order; any two at least a sixteenth of the volume apart.
std::vector<std::int64_t> hottest_slices(const Volume<float>& heat) {
  constexpr std::size_t kMost = 4;
  const std::vector<double> sums = heat_of_slices(heat);
  std::vector<std::int64_t> order(sums.size()), taken;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return sums[static_cast<std::size_t>(a)] > sums[static_cast<std::size_t>(b)];
  });
  const auto apart = static_cast<std::int64_t>(sums.size()) / 16 + 1;
  for (const std::int64_t z : order) {
    const auto is_near = [&](std::int64_t other) { return std::abs(other - z) < apart; };
    if (taken.size() < kMost && std::none_of(taken.begin(), taken.end(), is_near)) taken.push_back(z);
  }
  std::sort(taken.begin(), taken.end());
  return taken;
}

}  // namespace

std::int64_t hottest_slice(const Volume<float>& heat) {
  const std::vector<double> sums = heat_of_slices(heat);
  return std::max_element(sums.begin(), sums.end()) - sums.begin();
}

void write_heat_picture(const std::string& path, const std::vector<std::string>& heading, const Picture& picture,
                        const std::vector<float>& heat) {
  Sheet sheet(heading, 2, 2, picture.width, picture.height);
  for (std::size_t tile = 0; tile < 2; ++tile) paint(sheet.canvas, sheet.left_of(tile), sheet.top_of(tile), picture);
  paint_heat(sheet.canvas, sheet.left_of(1), sheet.top_of(1), picture.width, {heat.begin(), heat.end()});
  sheet.canvas.write_png(path);
}

void write_heat_slices(const std::string& path, const std::vector<std::string>& heading, const Volume<float>& image,
                       const Volume<float>& heat, const std::string& modality) {
  constexpr int kSide = 300;
  const LabelVolume labels(image.geometry);
  const LesionVolume lesions(image.geometry);
  Scene scene;
  scene.image = &image;
  scene.labels = &labels;
  scene.lesion_ids = &lesions;
  scene.modality = modality;
  const WindowLevel window = window_level(scene, nullptr);
  const std::vector<std::int64_t> slices = hottest_slices(heat);
  View view = fit_view(scene, window, {slices.front(), slices.back()}, kSide);
  Sheet sheet(heading, 2 * slices.size(), 4, view.width(), view.height());
  for (std::size_t i = 0; i < 2 * slices.size(); ++i) {
    const std::int64_t k = slices[i / 2];
    view.corner = {sheet.left_of(i), sheet.top_of(i)};
    paint_slice(sheet.canvas, view, scene, k, window, 1);
    if (i % 2 == 1) {
      paint_heat(sheet.canvas, view.corner[0], view.corner[1], view.width(), slice_values(view, heat, k));
      continue;
    }
    paint_letters(sheet.canvas, view, kText);
    sheet.canvas.text(view.corner[0] + 6, view.corner[1] + kText, std::to_string(k + 1), kText, kInk);
  }
  sheet.canvas.write_png(path);
}

void write_tiles(const std::string& path, const std::vector<std::string>& heading, const std::vector<Picture>& tiles,
                 std::size_t per_row) {
  Sheet sheet(heading, tiles.size(), per_row, tiles.front().width, tiles.front().height);
  for (std::size_t i = 0; i < tiles.size(); ++i) paint(sheet.canvas, sheet.left_of(i), sheet.top_of(i), tiles[i]);
  sheet.canvas.write_png(path);
}

}  // namespace oncotome::render
