// SPDX-License-Identifier: Apache-2.0
#include "slice_painter.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace oncotome::render {
namespace {

constexpr Rgb kInk = {235, 238, 242};

/// For each screen column (d = 0) or row (d = 1) of a view, the fractional voxel index there.
std::vector<double> indices_along(const View& view, const Geometry& g, std::size_t d) {
  const std::size_t a = view.frame.axis[d];
  std::vector<double> out(static_cast<std::size_t>(d == 0 ? view.width() : view.height()));
  for (std::size_t p = 0; p < out.size(); ++p) {
    const double mm = view.from_mm[d] + (static_cast<double>(p) + 0.5) / view.pixels_per_mm;
    const double i = mm / g.spacing_mm[a] - 0.5;
    out[p] = view.frame.reversed[d] ? static_cast<double>(g.size[a] - 1) - i : i;
  }
  return out;
}

std::int64_t nearest(double index, std::int64_t size) {
  return std::clamp<std::int64_t>(std::llround(index), 0, size - 1);
}

/// Offset in a volume of the voxel with index u along the screen's right and v along its down.
struct Slice {
  std::size_t start;
  std::array<std::size_t, 2> stride;
  std::array<std::int64_t, 2> size;

  Slice(const Geometry& g, const DisplayFrame& frame, std::int64_t k)
      : start(static_cast<std::size_t>(k * g.size[0] * g.size[1])) {
    for (std::size_t d = 0; d < 2; ++d) {
      stride[d] = frame.axis[d] == 0 ? 1 : static_cast<std::size_t>(g.size[0]);
      size[d] = g.size[frame.axis[d]];
    }
  }
  std::size_t offset(std::int64_t u, std::int64_t v) const {
    return start + static_cast<std::size_t>(u) * stride[0] + static_cast<std::size_t>(v) * stride[1];
  }
};

void paint_gray(Canvas& canvas, const View& view, const Scene& scene, std::int64_t k, const WindowLevel& window) {
  const std::vector<double> values = slice_values(view, *scene.image, k);
  const int width = view.width();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double share = (values[i] - window.low) / (window.high - window.low);
    // A value that is not a number fails both comparisons and comes out black.
    const auto gray = static_cast<std::uint8_t>(share >= 1 ? 255 : share > 0 ? std::lround(share * 255) : 0);
    const auto at = static_cast<int>(i);
    canvas.set(view.corner[0] + at % width, view.corner[1] + at / width, {gray, gray, gray});
  }
}

/// Gaussian along one direction of a w x h field; what lies outside repeats the edge.
void blur(std::vector<float>& field, std::int64_t w, std::int64_t h, bool along_x, double sigma) {
  const auto radius = static_cast<std::int64_t>(std::ceil(3 * sigma));
  std::vector<float> kernel;
  float sum = 0;
  for (std::int64_t i = -radius; i <= radius; ++i) {
    kernel.push_back(static_cast<float>(std::exp(-0.5 * static_cast<double>(i * i) / (sigma * sigma))));
    sum += kernel.back();
  }
  const std::vector<float> in = field;
  const std::int64_t n = along_x ? w : h;
  const std::int64_t stride = along_x ? 1 : w;
  for (std::int64_t line = 0; line < (along_x ? h : w); ++line) {
    const std::int64_t base = along_x ? line * w : line;
    for (std::int64_t p = 0; p < n; ++p) {
      float value = 0;
      for (std::int64_t i = -radius; i <= radius; ++i)
        value += kernel[static_cast<std::size_t>(i + radius)] *
                 in[static_cast<std::size_t>(base + std::clamp<std::int64_t>(p + i, 0, n - 1) * stride)];
      field[static_cast<std::size_t>(base + p * stride)] = value / sum;
    }
  }
}

void paint_outline(Canvas& canvas, const View& view, const Scene& scene, const Slice& slice, const Label& label,
                   double line_width) {
  const Geometry& g = scene.labels->geometry;
  const std::vector<double> columns = indices_along(view, g, 0);
  const std::vector<double> rows = indices_along(view, g, 1);
  const auto w = static_cast<std::int64_t>(columns.size());
  const auto h = static_cast<std::int64_t>(rows.size());
  std::vector<float> field(static_cast<std::size_t>(w * h));
  for (std::size_t y = 0; y < rows.size(); ++y)
    for (std::size_t x = 0; x < columns.size(); ++x) {
      const std::size_t at = slice.offset(nearest(columns[x], slice.size[0]), nearest(rows[y], slice.size[1]));
      field[y * columns.size() + x] = scene.labels->voxels[at] == label.value ? 1.0F : 0.0F;
    }
  // 0.45 of a voxel rounds the stairs off and still leaves a lone voxel its outline.
  for (std::size_t d = 0; d < 2; ++d)
    blur(field, w, h, d == 0, std::max(0.5, 0.45 * g.spacing_mm[view.frame.axis[d]] * view.pixels_per_mm));
  // The logit of a blurred edge is nearly linear in the distance from it.
  for (float& f : field) {
    const float c = std::clamp(f, 1e-4F, 1 - 1e-4F);
    f = std::log(c / (1 - c));
  }
  const auto value = [&](std::int64_t x, std::int64_t y) {
    return field[static_cast<std::size_t>(std::clamp<std::int64_t>(y, 0, h - 1) * w +
                                          std::clamp<std::int64_t>(x, 0, w - 1))];
  };
  for (std::int64_t y = 0; y < h; ++y)
    for (std::int64_t x = 0; x < w; ++x) {
      const double slope = std::hypot(value(x + 1, y) - value(x - 1, y), value(x, y + 1) - value(x, y - 1)) / 2;
      if (slope < 1e-4) continue;
      // Just inside the edge, so that two classes that touch both keep their color there.
      const double from_line = std::abs(value(x, y) / slope - line_width / 2);
      const double alpha = std::clamp(line_width / 2 + 0.5 - from_line, 0.0, 1.0);
      canvas.blend(view.corner[0] + static_cast<int>(x), view.corner[1] + static_cast<int>(y), label.color_rgb, alpha);
    }
}

/// First and last index along `axis` of what is above the threshold; thin specks of noise do not count.
std::array<std::int64_t, 2> body_range(const Scene& scene, double threshold, std::size_t axis,
                                       const SliceRange& slices) {
  const Geometry& g = scene.image->geometry;
  std::vector<std::int64_t> count(static_cast<std::size_t>(g.size[axis]), 0);
  const std::int64_t step_z = (slices.last - slices.first) / 48 + 1;
  for (std::int64_t z = slices.first; z <= slices.last; z += step_z)
    for (std::int64_t y = 0; y < g.size[1]; ++y)
      for (std::int64_t x = 0; x < g.size[0]; ++x)
        if (scene.image->at(x, y, z) > threshold) ++count[static_cast<std::size_t>(axis == 0 ? x : y)];
  const std::int64_t enough = *std::max_element(count.begin(), count.end()) / 100;
  std::array<std::int64_t, 2> range{0, g.size[axis] - 1};
  while (range[0] < range[1] && count[static_cast<std::size_t>(range[0])] <= enough) ++range[0];
  while (range[1] > range[0] && count[static_cast<std::size_t>(range[1])] <= enough) --range[1];
  if (range[0] == range[1]) range = {0, g.size[axis] - 1};
  for (const Lesion& lesion : scene.lesions) {
    if (lesion.last_index[2] < slices.first || lesion.first_index[2] > slices.last) continue;
    range[0] = std::min(range[0], lesion.first_index[axis]);
    range[1] = std::max(range[1], lesion.last_index[axis]);
  }
  return range;
}

}  // namespace

int View::width() const { return std::max(1, static_cast<int>(std::lround(extent_mm[0] * pixels_per_mm))); }
int View::height() const { return std::max(1, static_cast<int>(std::lround(extent_mm[1] * pixels_per_mm))); }

Vec2 View::pixel_of(const Geometry& geometry, const Vec3& index) const {
  Vec2 p{};
  for (std::size_t d = 0; d < 2; ++d) {
    const std::size_t a = frame.axis[d];
    const double i = frame.reversed[d] ? static_cast<double>(geometry.size[a] - 1) - index[a] : index[a];
    p[d] = corner[d] + ((i + 0.5) * geometry.spacing_mm[a] - from_mm[d]) * pixels_per_mm;
  }
  return p;
}

View fit_view(const Scene& scene, const WindowLevel& window, const SliceRange& slices, int longer_side) {
  const Geometry& g = scene.image->geometry;
  const double threshold = body_threshold(scene, window);
  View view;
  view.frame = display_frame(g);
  for (std::size_t d = 0; d < 2; ++d) {
    const std::size_t a = view.frame.axis[d];
    auto [first, last] = body_range(scene, threshold, a, slices);
    const std::int64_t margin = (last - first) / 16 + 1;
    first = std::max<std::int64_t>(0, first - margin);
    last = std::min(g.size[a] - 1, last + margin);
    if (view.frame.reversed[d]) std::tie(first, last) = std::pair(g.size[a] - 1 - last, g.size[a] - 1 - first);
    view.from_mm[d] = static_cast<double>(first) * g.spacing_mm[a];
    view.extent_mm[d] = static_cast<double>(last - first + 1) * g.spacing_mm[a];
  }
  view.pixels_per_mm = longer_side / std::max(view.extent_mm[0], view.extent_mm[1]);
  return view;
}

std::vector<double> slice_values(const View& view, const Volume<float>& volume, std::int64_t k) {
  const Geometry& g = volume.geometry;
  const Slice slice(g, view.frame, k);
  struct Tap {
    std::int64_t first, second;
    double weight;
  };
  const auto taps = [&](std::size_t d) {
    std::vector<Tap> out;
    for (const double i : indices_along(view, g, d)) {
      const double c = std::clamp(i, 0.0, static_cast<double>(slice.size[d] - 1));
      const auto first = static_cast<std::int64_t>(c);
      out.push_back({first, std::min(first + 1, slice.size[d] - 1), c - static_cast<double>(first)});
    }
    return out;
  };
  const std::vector<Tap> columns = taps(0), rows = taps(1);
  std::vector<double> values;
  values.reserve(columns.size() * rows.size());
  for (const Tap& v : rows)
    for (const Tap& u : columns) {
      const auto value = [&](std::int64_t i, std::int64_t j) -> double { return volume.voxels[slice.offset(i, j)]; };
      const double top = value(u.first, v.first) * (1 - u.weight) + value(u.second, v.first) * u.weight;
      const double bottom = value(u.first, v.second) * (1 - u.weight) + value(u.second, v.second) * u.weight;
      values.push_back(top * (1 - v.weight) + bottom * v.weight);
    }
  return values;
}

void paint_slice(Canvas& canvas, const View& view, const Scene& scene, std::int64_t k, const WindowLevel& window,
                 double line_width) {
  const Slice slice(scene.image->geometry, view.frame, k);
  paint_gray(canvas, view, scene, k, window);
  for (const std::size_t l : labels_shown(scene, k))
    paint_outline(canvas, view, scene, slice, scene.label_table[l], line_width);
}

void paint_letters(Canvas& canvas, const View& view, int text_size) {
  const double inset = text_size * 0.9;
  const double left = view.corner[0];
  const double top = view.corner[1];
  const double w = view.width();
  const double h = view.height();
  canvas.text(left + inset / 2, top + h / 2, view.frame.letters[0], text_size, kInk, Align::left);
  canvas.text(left + w - inset / 2, top + h / 2, view.frame.letters[1], text_size, kInk, Align::right);
  canvas.text(left + w / 2, top + inset, view.frame.letters[2], text_size, kInk, Align::center);
  canvas.text(left + w / 2, top + h - inset, view.frame.letters[3], text_size, kInk, Align::center);
}

void paint_scale_bar(Canvas& canvas, const View& view, int text_size) {
  const bool wide = view.extent_mm[0] >= 50;
  const double length = (wide ? 20 : 5) * view.pixels_per_mm;
  const double right = view.corner[0] + view.width() - text_size;
  const double y = view.corner[1] + view.height() - text_size;
  const auto bar = [&](double thickness, Rgb color) {
    canvas.line(right - length, y, right, y, thickness, color);
    for (const double x : {right - length, right}) canvas.line(x, y - 6, x, y + 6, thickness, color);
  };
  bar(4, {0, 0, 0});
  bar(2, kInk);
  canvas.text(right - length / 2, y - text_size * 0.9, wide ? "2 cm" : "5 mm", text_size, kInk, Align::center);
}

void paint_lesion_numbers(Canvas& canvas, const View& view, const Scene& scene, std::int64_t k, int text_size) {
  if (scene.lesions.size() < 2) return;
  const Geometry& g = scene.lesion_ids->geometry;
  for (const Lesion& lesion : scene.lesions) {
    if (k < lesion.first_index[2] || k > lesion.last_index[2]) continue;
    // The number stands right of the lesion's rightmost pixel on this slice.
    Vec2 best{-1, -1};
    for (std::int64_t y = lesion.first_index[1]; y <= lesion.last_index[1]; ++y)
      for (std::int64_t x = lesion.first_index[0]; x <= lesion.last_index[0]; ++x)
        if (scene.lesion_ids->at(x, y, k) == lesion.id)
          if (const Vec2 p = view.pixel_of(g, {static_cast<double>(x), static_cast<double>(y), 0}); p[0] > best[0])
            best = p;
    if (best[0] >= 0)
      canvas.text(best[0] + text_size * 0.6, best[1], std::to_string(lesion.id), text_size, {255, 255, 255});
  }
}

std::vector<std::size_t> labels_shown(const Scene& scene, std::int64_t k) {
  std::array<bool, 256> present{};
  const auto plane = static_cast<std::ptrdiff_t>(scene.labels->geometry.size[0] * scene.labels->geometry.size[1]);
  const auto begin = scene.labels->voxels.begin() + (k < 0 ? 0 : k * plane);
  const auto end = k < 0 ? scene.labels->voxels.end() : begin + plane;
  std::for_each(begin, end, [&](std::uint8_t value) { present[value] = true; });
  std::vector<std::size_t> shown;
  for (std::size_t l = 0; l < scene.label_table.size(); ++l)
    if (scene.label_table[l].value != 0 && present[scene.label_table[l].value]) shown.push_back(l);
  return shown;
}

}  // namespace oncotome::render
