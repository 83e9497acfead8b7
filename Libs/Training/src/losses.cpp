// SPDX-License-Identifier: Apache-2.0
#include "losses.h"

#include <cmath>

#include "oncotome/core/axes.h"

namespace oncotome::training {

using at::Tensor;

Tensor class_loss(const Tensor& logits, const Tensor& classes, const Tensor& class_weights, double label_smoothing) {
  if ((classes == kUnknown).all().item<bool>()) return logits.sum() * 0;
  return at::cross_entropy_loss(logits.flatten(1), classes, class_weights, at::Reduction::Mean, kUnknown,
                                label_smoothing);
}

namespace {

// Every n-th voxel along each axis, so that there are as many as the logits have.
Tensor thinned(Tensor masks, const Tensor& logits) {
  for (std::int64_t a = 1; a <= logits.dim() - axes::D; ++a)
    masks = masks.slice(-a, 0, masks.size(-a), masks.size(-a) / logits.size(-a));
  return masks;
}

}  // namespace

Tensor total_loss(const std::vector<Tensor>& logits, const Targets& targets, const LossConfig& how,
                  const Tensor& class_weights) {
  Tensor loss;
  const auto add = [&](const Tensor& part, double weight) {
    loss = loss.defined() ? loss + part * weight : part * weight;
  };
  if (targets.masks.defined()) {
    const Tensor known = (targets.masks.flatten(1).select(1, 0) != kUnknown).nonzero().squeeze(1);
    if (known.numel() == 0) {
      add(logits.front().sum(), 0);
    } else {
      const bool all = known.numel() == targets.masks.size(0);
      const Tensor truth = all ? targets.masks : targets.masks.index_select(0, known);
      const std::size_t stages = logits.size() - (targets.classes.defined() ? 1 : 0);
      // Halves, quarters, ... of the first one's, and 1 together.
      double weight = how.segmentation / (2 - std::pow(0.5, static_cast<double>(stages) - 1));
      for (std::size_t s = 0; s < stages; ++s, weight /= 2) {
        const Tensor of = all ? logits[s] : logits[s].index_select(0, known);
        add(segmentation_loss(of, thinned(truth, of), how.dice, how.cross_entropy, how.dice_per_image), weight);
      }
    }
  }
  if (targets.classes.defined())
    add(class_loss(logits.back(), targets.classes, class_weights, how.label_smoothing), how.classification);
  return loss;
}

}  // namespace oncotome::training
