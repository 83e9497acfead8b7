// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "images.h"
#include "oncotome/core/draws.h"

namespace oncotome::training {

/// Changes an example at random, onto a grid of `size`: mirrored, rotated, sheared, scaled, shifted and bent in one
/// linear resampling (the mask: nearest voxel; beyond the edge, the edge's values), then its shading, intensities,
/// noise, a box cut out. Of a 2-D image only H and W turn. `image` says how 0..1 became the network's input.
void augment(Example& example, const engine::Dhw& size, const Augmentation& how, const engine::ImagePreparation& image,
             Draws& draws);

/// The patch of that size in the middle.
void cut_center(Example& example, const engine::Dhw& size);

}  // namespace oncotome::training
