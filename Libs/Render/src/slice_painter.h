// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "canvas.h"
#include "display_frame.h"
#include "oncotome/render/pictures.h"
#include "window_level.h"

namespace oncotome::render {

using Vec2 = std::array<double, 2>;

/// The part of an x-y slice that is shown, in mm from the slice's edges along the screen's directions, and where.
struct View {
  DisplayFrame frame;
  Vec2 from_mm{};
  Vec2 extent_mm{};
  double pixels_per_mm = 1;
  std::array<int, 2> corner{};  ///< Left, top on the canvas.

  int width() const;
  int height() const;
  /// Canvas position of a (fractional) voxel index.
  Vec2 pixel_of(const Geometry& geometry, const Vec3& index) const;
};

/// Slices first to last, inclusive.
struct SliceRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

/// Shows the body on these slices and the lesions that reach them, with a small margin; the longer side in pixels.
View fit_view(const Scene& scene, const WindowLevel& window, const SliceRange& slices, int longer_side);

/// What a volume has on slice k at each pixel of the view, row by row; linear between voxel centers.
std::vector<double> slice_values(const View& view, const Volume<float>& volume, std::int64_t k);

/// The gray image of slice k and the outline of each class on it.
void paint_slice(Canvas& canvas, const View& view, const Scene& scene, std::int64_t k, const WindowLevel& window,
                 double line_width);
void paint_letters(Canvas& canvas, const View& view, int text_size);
/// At the lower right, 2 cm where that fits.
void paint_scale_bar(Canvas& canvas, const View& view, int text_size);
/// The number of each lesion on slice k beside it; nothing when there is one lesion only.
void paint_lesion_numbers(Canvas& canvas, const View& view, const Scene& scene, std::int64_t k, int text_size);
/// Labels with a voxel on slice k (on any slice for k < 0), as indices into the label table.
std::vector<std::size_t> labels_shown(const Scene& scene, std::int64_t k);

}  // namespace oncotome::render
