// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "loops.h"
#include "losses.h"
#include "oncotome/core/axes.h"

namespace oncotome::training {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kSmooth = 1e-5;

// Of one label: probabilities where it is right, all probabilities, and voxels.
struct Overlap {
  double both = 0, found = 0, truth = 0;

  double above() const { return 2 * both + kSmooth; }
  double below() const { return found + truth + kSmooth; }
};

// Channels innermost, of voxels one after another.
Tensor rows_of(const Tensor& t) { return t.movedim(axes::C, -1).contiguous(); }

class Gradient : public torch::autograd::Function<Gradient> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& masks, double dice,
                        double cross_entropy, bool dice_per_image) {
    const Tensor x = rows_of(logits), truth = masks.contiguous(), p = at::empty_like(x);
    const std::int64_t K = x.size(-1), groups = dice_per_image ? truth.size(0) : 1, voxels = truth.numel() / groups;
    // Summed in one order whatever the threads.
    const std::int64_t in_group = std::max<std::int64_t>(1, 64 / groups);
    struct Sums {
      std::vector<Overlap> labels;
      double likelihood = 0;
    };
    std::vector<Sums> parts(static_cast<std::size_t>(groups * in_group));
    at::parallel_for(0, groups * in_group, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        Sums& sums = parts[static_cast<std::size_t>(part)];
        sums.labels.resize(static_cast<std::size_t>(K));
        const std::int64_t first = part / in_group * voxels, at = part % in_group;
        for (std::int64_t v = first + at * voxels / in_group; v < first + (at + 1) * voxels / in_group; ++v)
          add(x.data_ptr<float>() + v * K, truth.data_ptr<std::int64_t>()[v], p.data_ptr<float>() + v * K, sums.labels,
              sums.likelihood);
      }
    });
    // Of Dice, by a probability of each group: everywhere, and where its label is right as well.
    std::vector<double> everywhere, right;
    double mean = 0, likelihood = 0;
    const double share = 1.0 / static_cast<double>(groups * std::max<std::int64_t>(1, K - 1));
    for (std::size_t first = 0; first < parts.size(); first += static_cast<std::size_t>(in_group)) {
      std::vector<Overlap> whole(static_cast<std::size_t>(K));
      for (std::size_t part = first; part < first + static_cast<std::size_t>(in_group); ++part) {
        likelihood += parts[part].likelihood;
        for (std::size_t k = 0; k < whole.size(); ++k) {
          whole[k].both += parts[part].labels[k].both;
          whole[k].found += parts[part].labels[k].found;
          whole[k].truth += parts[part].labels[k].truth;
        }
      }
      everywhere.push_back(0);
      right.push_back(0);
      for (std::size_t k = 1; k < whole.size(); ++k) {
        const double above = whole[k].above(), below = whole[k].below();
        mean += share * above / below;
        everywhere.push_back(dice * share * above / (below * below));
        right.push_back(-dice * share * 2 / below);
      }
    }
    context->save_for_backward({p, truth});
    context->saved_data["everywhere"] = everywhere;
    context->saved_data["right"] = right;
    const double each = cross_entropy / static_cast<double>(truth.numel());
    context->saved_data["cross_entropy"] = each;
    const double loss = dice * (1 - mean) - each * likelihood;
    return at::scalar_tensor(loss, logits.options());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &p = saved[0], &truth = saved[1], out = at::empty_like(p);
    const std::int64_t K = p.size(-1);
    const auto groups = static_cast<std::int64_t>(context->saved_data["right"].toDoubleVector().size()) / K;
    const std::int64_t voxels = truth.numel() / groups;
    const double factor = gradients[0].item<double>();
    const auto scaled = [&](const char* name) {
      std::vector<float> values;
      for (const double v : context->saved_data[name].toDoubleVector())
        values.push_back(static_cast<float>(v * factor));
      return values;
    };
    const std::vector<float> everywhere = scaled("everywhere"), right = scaled("right");
    const auto entropy = static_cast<float>(context->saved_data["cross_entropy"].toDouble() * factor);
    at::parallel_for(0, truth.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t v = begin; v < end; ++v) {
        const float* const from = p.data_ptr<float>() + v * K;
        float* const to = out.data_ptr<float>() + v * K;
        const std::int64_t t = truth.data_ptr<std::int64_t>()[v];
        const float* const all = everywhere.data() + v / voxels * K;
        const float at_truth = right[static_cast<std::size_t>(v / voxels * K + t)];
        float mean = from[t] * at_truth;
        for (std::int64_t k = 0; k < K; ++k) mean += from[k] * all[k];
        for (std::int64_t k = 0; k < K; ++k) to[k] = from[k] * (all[k] - mean + entropy);
        to[t] += from[t] * at_truth - entropy;
      }
    });
    return {out.movedim(-1, axes::C), {}, {}, {}, {}};
  }

 private:
  static void add(const float* x, std::int64_t truth, float* p, std::vector<Overlap>& labels, double& likelihood) {
    const auto K = static_cast<std::int64_t>(labels.size());
    const float greatest = *std::max_element(x, x + K);
    float sum = 0;
    for (std::int64_t k = 0; k < K; ++k) sum += p[k] = std::exp(x[k] - greatest);
    for (std::int64_t k = 0; k < K; ++k) {
      p[k] /= sum;
      labels[static_cast<std::size_t>(k)].found += static_cast<double>(p[k]);
    }
    Overlap& right = labels[static_cast<std::size_t>(truth)];
    right.both += static_cast<double>(p[truth]);
    ++right.truth;
    likelihood += static_cast<double>(x[truth] - greatest - std::log(sum));
  }
};

Tensor by_aten(const Tensor& logits, const Tensor& masks, double dice, double cross_entropy, bool dice_per_image) {
  const Tensor p = at::softmax(logits, 1).flatten(2);
  const Tensor truth = at::zeros_like(p).scatter_(1, masks.flatten(1).unsqueeze(1), 1.0);
  const auto sum = [&](const Tensor& t) {
    return dice_per_image ? t.sum(2).slice(1, 1) : t.sum(at::IntArrayRef{0, 2}).slice(0, 1);
  };
  const Tensor overlap = (sum(p * truth) * 2 + kSmooth) / (sum(p) + sum(truth) + kSmooth);
  return (1 - overlap.mean()) * dice + at::cross_entropy_loss(logits.flatten(2), masks.flatten(1)) * cross_entropy;
}

}  // namespace

Tensor segmentation_loss(const Tensor& logits, const Tensor& masks, double dice, double cross_entropy,
                         bool dice_per_image) {
  if (!has_loops(logits)) return by_aten(logits, masks, dice, cross_entropy, dice_per_image);
  return Gradient::apply(logits, masks, dice, cross_entropy, dice_per_image);
}

}  // namespace oncotome::training
