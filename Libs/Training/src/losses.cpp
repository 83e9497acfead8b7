// SPDX-License-Identifier: Apache-2.0
#include "losses.h"

#include "oncotome/core/axes.h"

namespace oncotome::training {

using at::Tensor;

Tensor class_loss(const Tensor& logits, const Tensor& classes, const Tensor& class_weights, double label_smoothing) {
  if ((classes == kUnknown).all().item<bool>()) return logits.sum() * 0;
  return at::cross_entropy_loss(logits.flatten(1), classes, class_weights, at::Reduction::Mean, kUnknown,
                                label_smoothing);
}

Tensor dice_loss(const Tensor& logits, const Tensor& masks) {
  constexpr double kSmooth = 1e-5;
  const Tensor p = at::softmax(logits, axes::C).flatten(2);
  const Tensor truth = at::zeros_like(p).scatter_(axes::C, masks.flatten(1).unsqueeze(1), 1.0);
  const auto sum = [](const Tensor& t) { return t.sum(at::IntArrayRef{0, 2}).slice(0, 1); };
  const Tensor dice = (sum(p * truth) * 2 + kSmooth) / (sum(p) + sum(truth) + kSmooth);
  return 1 - dice.mean();
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
      if (how.dice > 0) add(dice_loss(of, truth), how.dice * how.segmentation);
      if (how.cross_entropy > 0)
        add(at::cross_entropy_loss(of.flatten(2), truth.flatten(1)), how.cross_entropy * how.segmentation);
    }
  }
  if (targets.classes.defined())
    add(class_loss(logits.back(), targets.classes, class_weights, how.label_smoothing), how.classification);
  return loss;
}

}  // namespace oncotome::training
