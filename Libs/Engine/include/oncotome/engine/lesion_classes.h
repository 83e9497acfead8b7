// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "oncotome/engine/classification.h"
#include "oncotome/engine/resample.h"

namespace oncotome::engine {

/// Where a lesion lies, as indexes x, y, z.
struct LesionBox {
  std::uint16_t id = 0;
  Index3 first{}, last{};  ///< Inclusive.
  std::int64_t slice = 0;  ///< With its largest cross-section, the first of such.
};

/// Boxes of the numbered lesions, by their number.
std::vector<LesionBox> lesion_boxes(const LesionVolume& lesions);

/// What the network sees of a lesion, [1,C,D,H,W] of raw values; channels lie on the box's grid, where they end their
/// outermost values go on. With a margin: a square (of a 3-D network a cube) round the box's center, in mm as long as
/// its longest side and the margin on both. Without: the whole slice, or of a 3-D network such a cube.
Tensor lesion_image(const ImageInference& inference, const std::vector<ChannelView>& channels, const LesionBox& box);

/// The same of boxes on `grid`; channels on other grids are resampled to it. What it is made from must outlive it.
class LesionImages {
 public:
  LesionImages(const ImageInference& inference, const std::vector<ChannelView>& channels, const Geometry& grid);
  LesionImages(const LesionImages&) = delete;
  LesionImages& operator=(const LesionImages&) = delete;

  /// Throws Error{usage} for a box outside of the grid.
  Tensor of(const LesionBox& box) const;

 private:
  const ImageInference& inference_;
  const Geometry& grid_;
  std::vector<Volume<float>> resampled_;
  std::vector<ChannelView> views_;
};

/// What a lesion is.
struct LesionFinding {
  std::uint16_t lesion_id = 0;
  Classification classification;
};

/// Classes of lesions whose boxes lie on `grid`. Throws Error{usage} for a package without classes, and as
/// LesionImages and run_images().
std::vector<LesionFinding> classify_lesions(const Model& model, const std::vector<ChannelView>& channels,
                                            const Geometry& grid, const std::vector<LesionBox>& boxes, const Job& job);

}  // namespace oncotome::engine
