// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oncotome/render/pictures.h"

namespace oncotome::render {

/// Image values shown as black and as white.
struct WindowLevel {
  double low = 0;
  double high = 1;
  std::string note;  ///< Such as "W 1500 C -600"; empty when taken from percentiles.
};

/// CT: lung or soft tissue by what surrounds the lesion (the middle of the image without one), HU.
/// Others: 1st to 99.5th percentile of the nonzero voxels, or up to the 95th of the lesions where that is more.
WindowLevel window_level(const Scene& scene, const Lesion* lesion);

/// The value above which a voxel belongs to the body rather than to the air round it.
double body_threshold(const Scene& scene, const WindowLevel& window);

}  // namespace oncotome::render
