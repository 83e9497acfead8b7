// SPDX-License-Identifier: Apache-2.0
#include "legend.h"

namespace oncotome::render {

Legend::Legend(const Scene& scene, const std::vector<std::size_t>& labels, int width, int text_size)
    : text_size_(text_size) {
  int x = 0;
  for (const std::size_t l : labels) {
    const Label& label = scene.label_table[l];
    const int needed = 2 * text_size + Canvas::text_width(label.name, text_size);
    if (row_count_ == 0 || x + needed > width) {
      x = 0;
      ++row_count_;
    }
    entries_.push_back({label.name, label.color_rgb, x, row_count_ - 1});
    x += needed + text_size;
  }
}

void Legend::paint(Canvas& canvas, int left, int top) const {
  const int swatch = text_size_ * 3 / 4;
  const int gap = text_size_ / 2;
  const int half_row = row_height() / 2;
  for (const Entry& e : entries_) {
    const int middle = top + e.row * row_height() + half_row;
    canvas.fill(left + e.x, middle - swatch / 2, swatch, swatch, e.color);
    canvas.text(left + e.x + swatch + gap, middle, e.name, text_size_, {235, 238, 242});
  }
}

}  // namespace oncotome::render
