// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include "config.h"

namespace oncotome::training {

/// What is not known, and not learned from.
constexpr std::int64_t kUnknown = -100;

struct Targets {
  at::Tensor classes;  ///< [N] indices, or kUnknown; undefined without the head.
  at::Tensor masks;    ///< [N,...] indices of the segmentation head's outputs, or kUnknown for a whole image.
};

/// Cross entropy with label smoothing, over the images whose class is known, as PyTorch weighs it. Undefined class
/// weights: 1 each.
at::Tensor class_loss(const at::Tensor& logits, const at::Tensor& classes, const at::Tensor& class_weights,
                      double label_smoothing);

/// `dice` times 1 - the mean over the labels but the background (and, on demand, the images) of Dice over the whole
/// batch (or image), of probabilities: (2 sum p t + e) / (sum p + sum t + e), e = 1e-5 (arXiv:1606.04797 without
/// squares); and `cross_entropy` times the voxels' mean cross entropy. Masks are known everywhere.
at::Tensor segmentation_loss(const at::Tensor& logits, const at::Tensor& masks, double dice, double cross_entropy,
                             bool dice_per_image = false);

/// Their weighted sum over the heads; `logits` in the network's order. With deep supervision each lower stage counts
/// half as much as the one above, by every other voxel of its masks. Zero for a head of which the batch knows nothing.
at::Tensor total_loss(const std::vector<at::Tensor>& logits, const Targets& targets, const LossConfig& how,
                      const at::Tensor& class_weights);

}  // namespace oncotome::training
