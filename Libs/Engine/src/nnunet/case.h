// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"
#include "oncotome/engine/nnunet.h"

namespace oncotome::engine::nnunet {

/// An image on its way into the network, and how that lies in it. Triples are in array order after transpose_forward.
struct Case {
  Tensor data;                             ///< [C,d,h,w], cropped, normalized, resampled.
  Dhw shape{};                             ///< Of the image before the crop.
  Dhw crop_first{}, crop_size{};           ///< Box of what is not zero.
  Vec3 spacing_mm{}, target_spacing_mm{};  ///< Of the image; of `data`.
};

/// Preprocesses `image` [C,z,y,x] of `spacing_mm` (z,y,x; neither transposed yet), as nnU-Net's DefaultPreprocessor
/// does. `previous` are the labels of the previous stage on the image's grid, one byte per voxel, or null; they become
/// one channel per foreground label. Throws Error{precondition_unmet, cancelled}.
Case preprocess(const Plans& plans, const Configuration& configuration, const Tensor& image, const Vec3& spacing_mm,
                const std::vector<std::uint8_t>* previous, const Job& job);

}  // namespace oncotome::engine::nnunet
