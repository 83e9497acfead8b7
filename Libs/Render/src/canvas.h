// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace oncotome::render {

using Rgb = std::array<std::uint8_t, 3>;

enum class Align { left, center, right };

/// An RGB picture, row 0 on top; pixel (x,y) covers [x,x+1) x [y,y+1). What falls outside is clipped.
class Canvas {
 public:
  Canvas(int width, int height, Rgb background);

  int width() const noexcept { return width_; }
  int height() const noexcept { return height_; }

  void set(int x, int y, Rgb color) { blend(x, y, color, 1.0); }
  void blend(int x, int y, Rgb color, double alpha);
  void fill(int x, int y, int width, int height, Rgb color);
  /// Anti-aliased.
  void line(double x0, double y0, double x1, double y1, double thickness, Rgb color);
  /// One line of UTF-8 text with a dark rim; (x,y) is the middle of its left end, center or right end.
  void text(double x, double y, const std::string& text, int size, Rgb color, Align align = Align::left);
  /// Width in pixels of a line of text.
  static int text_width(const std::string& text, int size);

  /// Throws Error{output_unwritable}.
  void write_png(const std::string& path) const;

 private:
  int width_;
  int height_;
  std::vector<std::uint8_t> rgb_;
};

}  // namespace oncotome::render
