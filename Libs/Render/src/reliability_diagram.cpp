// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/reliability_diagram.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "canvas.h"

namespace oncotome::render {
namespace {

constexpr Rgb kPaper = {16, 18, 22}, kInk = {235, 238, 242}, kFaint = {160, 168, 178}, kRule = {52, 57, 66};
constexpr Rgb kBar = {90, 170, 250}, kMark = {250, 170, 70}, kCount = {96, 104, 116};
constexpr int kText = 14, kSmall = 10, kLeft = 52, kRight = 20, kSide = 450, kHeading = 60, kBelow = 40, kCounts = 70,
              kLast = 24;

std::string text_of(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

void draw(Canvas& canvas, int left, const ReliabilityPanel& panel) {
  const int bottom = kHeading + kSide, floor = bottom + kBelow + kCounts;
  const auto x_of = [&](double v) { return left + kSide * v; };
  const auto y_of = [&](double v) { return bottom - kSide * v; };
  std::size_t all = 0, most = 1;
  for (const ConfidenceBin& bin : panel.bins) all += bin.count, most = std::max(most, bin.count);
  canvas.text(left, 18, panel.title, kText, kInk);
  canvas.text(left, 40, text_of("ECE %.4f, ", panel.expected_error) + std::to_string(all) + " answers", kText, kInk);
  for (int tick = 0; tick <= 5; ++tick) {
    const double v = tick / 5.0;
    canvas.line(left, y_of(v), left + kSide, y_of(v), 1, kRule);
    canvas.text(left - 8, y_of(v), text_of("%.1f", v), kText - 2, kFaint, Align::right);
    canvas.text(x_of(v), bottom + 12, text_of("%.1f", v), kText - 2, kFaint, Align::center);
  }
  for (const ConfidenceBin& bin : panel.bins) {
    if (bin.count == 0) continue;
    const int from = static_cast<int>(std::lround(x_of(bin.low))) + 1;
    const int width = static_cast<int>(std::lround(x_of(bin.high))) - 1 - from;
    const int height = static_cast<int>(std::lround(kSide * bin.accuracy));
    canvas.fill(from, bottom - height, width, height, kBar);
    canvas.line(from, y_of(bin.confidence), from + width, y_of(bin.confidence), 3, kMark);
    const int counted =
        std::max(1, static_cast<int>(std::lround(static_cast<double>(kCounts) * static_cast<double>(bin.count) /
                                                 static_cast<double>(most))));
    canvas.fill(from, floor - counted, width, counted, kCount);
    canvas.text(from + width / 2.0, floor + kSmall, std::to_string(bin.count), kSmall, kFaint, Align::center);
  }
  canvas.line(left, bottom, left + kSide, kHeading, 1.5, kInk);
  canvas.text(left + kSide, bottom + 28, "confidence", kText - 2, kMark, Align::right);
  canvas.text(left + kSide, 40, "accuracy", kText - 2, kBar, Align::right);
}

}  // namespace

void write_reliability_diagram(const std::string& path, const std::vector<ReliabilityPanel>& panels) {
  constexpr int kPanel = kLeft + kSide + kRight;
  Canvas canvas(std::max(1, static_cast<int>(panels.size())) * kPanel, kHeading + kSide + kBelow + kCounts + kLast,
                kPaper);
  for (std::size_t p = 0; p < panels.size(); ++p) draw(canvas, static_cast<int>(p) * kPanel + kLeft, panels[p]);
  canvas.write_png(path);
}

}  // namespace oncotome::render
