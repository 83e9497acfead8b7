// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "legend.h"
#include "slice_painter.h"

namespace oncotome::render {
namespace {

constexpr Rgb kPaper = {16, 18, 22};
constexpr Rgb kInk = {235, 238, 242};
constexpr Rgb kFaint = {160, 168, 178};
constexpr Rgb kMeasure = {255, 221, 64};

std::string with_digits(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

void paint_diameter(Canvas& canvas, const View& view, const Scene& scene, const Lesion& lesion) {
  const Geometry& g = scene.image->geometry;
  const Vec2 a = view.pixel_of(g, g.index_of(lesion.axial_diameter_ends_mm[0]));
  const Vec2 b = view.pixel_of(g, g.index_of(lesion.axial_diameter_ends_mm[1]));
  const double length = std::hypot(b[0] - a[0], b[1] - a[1]);
  if (length == 0) return;
  const double nx = -(b[1] - a[1]) / length;
  const double ny = (b[0] - a[0]) / length;
  for (const bool shadow : {true, false}) {
    const Rgb color = shadow ? Rgb{0, 0, 0} : kMeasure;
    const double width = shadow ? 3.5 : 1.8;
    canvas.line(a[0], a[1], b[0], b[1], width, color);
    for (const Vec2& end : {a, b})
      canvas.line(end[0] - 9 * nx, end[1] - 9 * ny, end[0] + 9 * nx, end[1] + 9 * ny, width, color);
  }
}

void paint_frame(Canvas& canvas, const Vec2& a, const Vec2& b, Rgb color) {
  const Vec2 corners[] = {a, {b[0], a[1]}, b, {a[0], b[1]}};
  for (std::size_t i = 0; i < 4; ++i) {
    const Vec2& to = corners[(i + 1) % 4];
    canvas.line(corners[i][0], corners[i][1], to[0], to[1], 1.2, color);
  }
}

/// A small lesion enlarged in the upper corner away from it; an empty optional for one that is large enough as it is.
std::optional<View> close_up(const View& view, const Geometry& g, const Lesion& lesion) {
  constexpr int kInset = 10;
  const Vec2 a = view.pixel_of(g, {double(lesion.first_index[0]), double(lesion.first_index[1]), 0});
  const Vec2 b = view.pixel_of(g, {double(lesion.last_index[0]), double(lesion.last_index[1]), 0});
  double side_mm = 40;
  for (std::size_t d = 0; d < 2; ++d) side_mm = std::max(side_mm, 2.2 * std::abs(b[d] - a[d]) / view.pixels_per_mm);
  if (3 * side_mm > std::min(view.extent_mm[0], view.extent_mm[1])) return {};
  const int side = std::min(view.width(), view.height()) * 3 / 10;
  View near = view;
  near.pixels_per_mm = side / side_mm;
  near.extent_mm = {side_mm, side_mm};
  for (std::size_t d = 0; d < 2; ++d) {
    const double center = view.from_mm[d] + ((a[d] + b[d]) / 2 - view.corner[d]) / view.pixels_per_mm;
    near.from_mm[d] = std::clamp(center - side_mm / 2, view.from_mm[d], view.from_mm[d] + view.extent_mm[d] - side_mm);
  }
  const bool at_left = (a[0] + b[0]) / 2 < view.corner[0] + view.width() / 2.0;
  near.corner = {at_left ? view.corner[0] + view.width() - side - kInset : view.corner[0] + kInset,
                 view.corner[1] + kInset};
  return near;
}

/// k of `count` slices spread over [first, last]; fewer when the range has fewer.
std::vector<std::int64_t> spread(std::int64_t first, std::int64_t last, std::int64_t count) {
  count = std::min(count, last - first + 1);
  std::vector<std::int64_t> slices;
  for (std::int64_t i = 0; i < count; ++i)
    slices.push_back(count == 1 ? (first + last) / 2 : first + (i * (last - first) + (count - 1) / 2) / (count - 1));
  return slices;
}

}  // namespace

void write_key_slice(const std::string& path, const Scene& scene, const Lesion& lesion) {
  constexpr int kSide = 900;
  constexpr int kMinWidth = 760;
  constexpr int kText = 20;
  const Geometry& g = scene.image->geometry;
  const WindowLevel window = window_level(scene, &lesion);
  View view = fit_view(scene, window, {lesion.key_slice, lesion.key_slice}, kSide);
  const int width = std::max(view.width(), kMinWidth);
  view.corner = {(width - view.width()) / 2, 0};
  const std::string place = scene.image_name + (scene.image_name.empty() ? "" : ", ") + "slice " +
                            std::to_string(lesion.key_slice + 1) + " of " + std::to_string(g.size[2]);
  const int legend_width = width - 32 - Canvas::text_width(place, kText) - kText;
  const Legend legend(scene, labels_shown(scene, lesion.key_slice), legend_width, kText);
  const int caption_top = view.height() + 14;
  const int legend_top = caption_top + 30;
  Canvas canvas(width, legend_top + std::max(30, legend.height()) + 12, kPaper);

  paint_slice(canvas, view, scene, lesion.key_slice, window, 2);
  const std::optional<View> near = close_up(view, g, lesion);
  if (near) {
    paint_slice(canvas, *near, scene, lesion.key_slice, window, 2);
    const double left = near->corner[0];
    const double top = near->corner[1];
    paint_frame(canvas, {left, top}, {left + near->width(), top + near->height()}, kInk);
    const double scale = view.pixels_per_mm;
    const Vec2 from = {view.corner[0] + (near->from_mm[0] - view.from_mm[0]) * scale,
                       view.corner[1] + (near->from_mm[1] - view.from_mm[1]) * scale};
    paint_frame(canvas, from, {from[0] + near->extent_mm[0] * scale, from[1] + near->extent_mm[1] * scale}, kFaint);
  }
  paint_diameter(canvas, near ? *near : view, scene, lesion);
  paint_lesion_numbers(canvas, view, scene, lesion.key_slice, kText);
  paint_letters(canvas, view, 26);
  paint_scale_bar(canvas, view, kText);

  const std::string caption = "Lesion " + std::to_string(lesion.id) + "    " +
                              with_digits(lesion.volume_mm3 / 1000, lesion.volume_mm3 < 1000 ? 2 : 1) +
                              " ml    longest " + view.frame.plane + " diameter " +
                              with_digits(lesion.longest_axial_diameter_mm, 1) + " mm";
  canvas.text(16, caption_top + 13, caption, kText, kInk);
  canvas.text(width - 16, legend_top + 15, place, kText, kFaint, Align::right);
  if (!window.note.empty()) canvas.text(view.corner[0] + 14, view.height() - 18, window.note, 16, kFaint);
  legend.paint(canvas, 16, legend_top);
  canvas.write_png(path);
}

void write_overview(const std::string& path, const Scene& scene) {
  constexpr int kColumns = 4;
  constexpr int kTiles = 12;
  constexpr int kTile = 300;
  constexpr int kGap = 4;
  constexpr int kText = 15;
  const Geometry& g = scene.image->geometry;
  const WindowLevel window = window_level(scene, scene.lesions.empty() ? nullptr : &scene.lesions.front());
  std::int64_t first = g.size[2] / 10;
  std::int64_t last = g.size[2] - 1 - g.size[2] / 10;
  if (!scene.lesions.empty()) {
    first = g.size[2];
    last = 0;
    for (const Lesion& lesion : scene.lesions) {
      first = std::min(first, lesion.first_index[2]);
      last = std::max(last, lesion.last_index[2]);
    }
    // A short lesion is shown with its neighbors, up to as many slices as there are tiles.
    const std::int64_t missing = std::max<std::int64_t>(0, kTiles - (last - first + 1));
    first = std::max<std::int64_t>(0, first - missing / 2);
    last = std::min(g.size[2] - 1, last + (missing + 1) / 2);
  }
  const std::vector<std::int64_t> slices = spread(first, last, kTiles);
  View view = fit_view(scene, window, {first, last}, kTile);
  const int columns = std::min<int>(kColumns, static_cast<int>(slices.size()));
  const int rows = (static_cast<int>(slices.size()) + columns - 1) / columns;
  const int width = std::max(kTile, columns * (view.width() + kGap) - kGap);
  const int name_width = Canvas::text_width(scene.image_name, kText) + 16;
  const Legend legend(scene, labels_shown(scene, -1), width - 16 - name_width, kText + 1);
  const int bottom = rows * (view.height() + kGap);
  Canvas canvas(width, bottom + legend.height() + 8, kPaper);
  for (std::size_t i = 0; i < slices.size(); ++i) {
    view.corner = {static_cast<int>(i % columns) * (view.width() + kGap),
                   static_cast<int>(i / columns) * (view.height() + kGap)};
    paint_slice(canvas, view, scene, slices[i], window, 1.5);
    paint_lesion_numbers(canvas, view, scene, slices[i], kText);
    paint_letters(canvas, view, kText);
    canvas.text(view.corner[0] + 6, view.corner[1] + kText, std::to_string(slices[i] + 1), kText, kFaint);
    if (i + 1 == slices.size()) paint_scale_bar(canvas, view, kText);
  }
  legend.paint(canvas, 8, bottom + 2);
  canvas.text(width - 8, bottom + 2 + 0.5 * legend.height(), scene.image_name, kText, kFaint, Align::right);
  canvas.write_png(path);
}

}  // namespace oncotome::render
