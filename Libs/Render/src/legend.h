// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "canvas.h"
#include "oncotome/render/pictures.h"

namespace oncotome::render {

/// Color swatches with the classes' names, broken into rows of `width` pixels.
class Legend {
 public:
  Legend(const Scene& scene, const std::vector<std::size_t>& labels, int width, int text_size);

  int height() const noexcept { return row_count_ * row_height(); }
  void paint(Canvas& canvas, int left, int top) const;

 private:
  struct Entry {
    std::string name;
    Rgb color;
    int x;
    int row;
  };
  int row_height() const noexcept { return text_size_ * 3 / 2; }

  std::vector<Entry> entries_;
  int text_size_;
  int row_count_ = 0;
};

}  // namespace oncotome::render
