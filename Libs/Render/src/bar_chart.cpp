// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/bar_chart.h"

#include <algorithm>
#include <cmath>

#include "canvas.h"

namespace oncotome::render {
namespace {

constexpr Rgb kPaper = {16, 18, 22}, kInk = {235, 238, 242}, kFaint = {160, 168, 178}, kRule = {52, 57, 66};
constexpr int kMargin = 16, kText = 14, kRow = 20, kHeading = 24, kPlot = 460;

int widest(const std::vector<BarGroup>& groups, std::string Bar::*text) {
  int width = 0;
  for (const BarGroup& group : groups)
    for (const Bar& bar : group.bars) width = std::max(width, Canvas::text_width(bar.*text, kText));
  return width;
}

}  // namespace

void write_bar_chart(const std::string& path, const std::vector<std::string>& heading,
                     const std::vector<BarGroup>& groups) {
  double greatest = 1;
  int rows = 0, titles = 0;
  for (const BarGroup& group : groups) {
    for (const Bar& bar : group.bars) greatest = std::max(greatest, bar.value);
    rows += static_cast<int>(group.bars.size()) + 2;
    titles = std::max(titles, Canvas::text_width(group.title, kText));
  }
  for (const std::string& line : heading) titles = std::max(titles, Canvas::text_width(line, kText));
  const int left = kMargin + widest(groups, &Bar::label) + kMargin, right = left + kPlot + kMargin;
  const int width = std::max(right + widest(groups, &Bar::note), kMargin + titles) + kMargin;
  const int top = kMargin + kHeading * static_cast<int>(heading.size()) + kRow;
  Canvas canvas(width, top + rows * kRow + kMargin, kPaper);
  double y = kMargin + kHeading / 2.0;
  for (const std::string& line : heading) {
    canvas.text(kMargin, y, line, kText, kInk);
    y += kHeading;
  }
  const double unit = kPlot / greatest;
  const double step = greatest > 12 ? std::ceil(greatest / 10) : greatest > 3 ? 1 : 0.5;
  for (double at = 0; at <= greatest; at += step) {
    const double x = left + at * unit;
    canvas.line(x, top, x, canvas.height() - kMargin, 1, kRule);
    std::string tick = std::to_string(at);
    canvas.text(x, top - kRow / 2.0, tick.substr(0, tick.find('.') + (step < 1 ? 2 : 0)), kText - 2, kFaint,
                Align::center);
  }
  canvas.line(left + unit, top, left + unit, canvas.height() - kMargin, 1.5, kInk);
  int row = top;
  for (const BarGroup& group : groups) {
    canvas.text(kMargin, row + kRow, group.title, kText, kInk);
    row += 2 * kRow;
    for (const Bar& bar : group.bars) {
      const int length = static_cast<int>(std::lround(bar.value * unit));
      canvas.text(left - kMargin, row + kRow / 2.0, bar.label, kText, kFaint, Align::right);
      canvas.fill(left, row + 3, length, kRow - 6, bar.color);
      canvas.line(left + unit, row + 3, left + unit, row + kRow - 3, 1.5, kInk);
      canvas.line(left + bar.least * unit, row + 3, left + bar.least * unit, row + kRow - 3, 2, kPaper);
      canvas.text(right, row + kRow / 2.0, bar.note, kText, kFaint);
      row += kRow;
    }
  }
  canvas.write_png(path);
}

}  // namespace oncotome::render
