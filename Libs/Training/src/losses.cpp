// SPDX-License-Identifier: Apache-2.0
#include "losses.h"

namespace oncotome::training {

using at::Tensor;

Tensor class_loss(const Tensor& logits, const Tensor& classes, const Tensor& class_weights, double label_smoothing) {
  if ((classes == kUnknown).all().item<bool>()) return logits.sum() * 0;
  return at::cross_entropy_loss(logits.flatten(1), classes, class_weights, at::Reduction::Mean, kUnknown,
                                label_smoothing);
}

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
      const Tensor of = all ? logits.front() : logits.front().index_select(0, known);
      const Tensor truth = all ? targets.masks : targets.masks.index_select(0, known);
      add(segmentation_loss(of, truth, how.dice, how.cross_entropy), how.segmentation);
    }
  }
  if (targets.classes.defined())
    add(class_loss(logits.back(), targets.classes, class_weights, how.label_smoothing), how.classification);
  return loss;
}

}  // namespace oncotome::training
