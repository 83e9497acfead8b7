// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/line_chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "canvas.h"

namespace oncotome::render {
namespace {

constexpr Rgb kPaper = {16, 18, 22}, kInk = {235, 238, 242}, kFaint = {160, 168, 178}, kRule = {52, 57, 66};
constexpr std::array<Rgb, 4> kColors = {Rgb{90, 170, 250}, Rgb{250, 170, 70}, Rgb{120, 210, 130}, Rgb{220, 120, 220}};
constexpr int kText = 14, kLeft = 84, kRight = 24, kPlotWidth = 640, kPlotHeight = 180, kTitle = 30, kBelow = 34;

std::string tick(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// 1, 2 or 5 times a power of ten, so that there are about `wanted` of them.
double step_of(double range, double wanted) {
  const double rough = range / wanted, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough) return factor * power;
  return 10 * power;
}

struct Extent {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  std::size_t count = 1;

  explicit Extent(const LinePanel& panel) {
    for (const Line& line : panel.lines) {
      count = std::max(count, line.values.size());
      for (const double v : line.values)
        if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
    }
    if (!(low <= high)) low = 0, high = 1;
    if (low == high) low -= 0.5, high += 0.5;
  }
};

void draw(Canvas& canvas, int top, const std::string& axis, const LinePanel& panel) {
  const Extent extent(panel);
  const int above = top + kTitle, below = above + kPlotHeight;
  const auto x_of = [&](double i) {
    return kLeft + kPlotWidth * (extent.count == 1 ? 0.5 : (i - 1) / static_cast<double>(extent.count - 1));
  };
  const auto y_of = [&](double v) { return below - kPlotHeight * (v - extent.low) / (extent.high - extent.low); };
  canvas.text(kLeft, top + kTitle / 2.0, panel.title, kText, kInk);
  const double step = step_of(extent.high - extent.low, 4);
  for (double v = std::ceil(extent.low / step) * step; v <= extent.high; v += step) {
    canvas.line(kLeft, y_of(v), kLeft + kPlotWidth, y_of(v), 1, kRule);
    canvas.text(kLeft - 8, y_of(v), tick(std::abs(v) < step * 1e-6 ? 0 : v), kText - 2, kFaint, Align::right);
  }
  const double across = std::max(1.0, step_of(static_cast<double>(extent.count), 8));
  for (double i = across; i <= static_cast<double>(extent.count); i += across)
    canvas.text(x_of(i), below + 10, tick(i), kText - 2, kFaint, Align::center);
  canvas.text(kLeft + kPlotWidth, below + 24, axis, kText - 2, kFaint, Align::right);
  int name_right = kLeft + kPlotWidth;
  for (std::size_t l = panel.lines.size(); l-- > 0;) {
    const Line& line = panel.lines[l];
    const Rgb color = kColors[l % kColors.size()];
    for (std::size_t i = 0; i < line.values.size(); ++i) {
      if (!std::isfinite(line.values[i])) continue;
      const double x = x_of(static_cast<double>(i + 1)), y = y_of(line.values[i]);
      const bool joined = i > 0 && std::isfinite(line.values[i - 1]);
      canvas.line(joined ? x_of(static_cast<double>(i)) : x - 1, joined ? y_of(line.values[i - 1]) : y, x, y, 2, color);
    }
    canvas.text(name_right, top + kTitle / 2.0, line.name, kText, color, Align::right);
    name_right -= Canvas::text_width(line.name, kText) + 16;
  }
}

}  // namespace

void write_line_chart(const std::string& path, const std::string& axis, const std::vector<LinePanel>& panels) {
  constexpr int kPanel = kTitle + kPlotHeight + kBelow;
  Canvas canvas(kLeft + kPlotWidth + kRight, std::max(1, static_cast<int>(panels.size())) * kPanel + 8, kPaper);
  for (std::size_t p = 0; p < panels.size(); ++p) draw(canvas, static_cast<int>(p) * kPanel, axis, panels[p]);
  canvas.write_png(path);
}

}  // namespace oncotome::render
