// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

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
                        double cross_entropy) {
    const Tensor x = rows_of(logits), truth = masks.contiguous(), p = at::empty_like(x);
    const std::int64_t K = x.size(-1), voxels = truth.numel();
    // Summed in one order whatever the threads.
    constexpr std::int64_t kParts = 64;
    struct Sums {
      std::vector<Overlap> labels;
      double likelihood = 0;
    };
    std::vector<Sums> parts(kParts);
    at::parallel_for(0, kParts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        Sums& sums = parts[static_cast<std::size_t>(part)];
        sums.labels.resize(static_cast<std::size_t>(K));
        for (std::int64_t v = part * voxels / kParts; v < (part + 1) * voxels / kParts; ++v)
          add(x.data_ptr<float>() + v * K, truth.data_ptr<std::int64_t>()[v], p.data_ptr<float>() + v * K, sums.labels,
              sums.likelihood);
      }
    });
    Sums whole = parts[0];
    for (std::size_t part = 1; part < parts.size(); ++part) {
      whole.likelihood += parts[part].likelihood;
      for (std::size_t k = 0; k < whole.labels.size(); ++k) {
        whole.labels[k].both += parts[part].labels[k].both;
        whole.labels[k].found += parts[part].labels[k].found;
        whole.labels[k].truth += parts[part].labels[k].truth;
      }
    }
    // Of Dice, by a probability: everywhere, and where its label is right as well.
    std::vector<double> everywhere(1, 0), right(1, 0);
    double mean = 0;
    const double share = 1.0 / static_cast<double>(std::max<std::int64_t>(1, K - 1));
    for (std::size_t k = 1; k < whole.labels.size(); ++k) {
      const double above = whole.labels[k].above(), below = whole.labels[k].below();
      mean += share * above / below;
      everywhere.push_back(dice * share * above / (below * below));
      right.push_back(-dice * share * 2 / below);
    }
    context->save_for_backward({p, truth});
    context->saved_data["everywhere"] = everywhere;
    context->saved_data["right"] = right;
    context->saved_data["cross_entropy"] = cross_entropy / static_cast<double>(voxels);
    const double loss = dice * (1 - mean) - cross_entropy * whole.likelihood / static_cast<double>(voxels);
    return at::scalar_tensor(loss, logits.options());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &p = saved[0], &truth = saved[1], out = at::empty_like(p);
    const std::int64_t K = p.size(-1);
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
        const auto t = static_cast<std::size_t>(truth.data_ptr<std::int64_t>()[v]);
        float mean = from[t] * right[t];
        for (std::int64_t k = 0; k < K; ++k) mean += from[k] * everywhere[static_cast<std::size_t>(k)];
        for (std::int64_t k = 0; k < K; ++k)
          to[k] = from[k] * (everywhere[static_cast<std::size_t>(k)] - mean + entropy);
        to[t] += from[t] * right[t] - entropy;
      }
    });
    return {out.movedim(-1, axes::C), {}, {}, {}};
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

}  // namespace

Tensor segmentation_loss(const Tensor& logits, const Tensor& masks, double dice, double cross_entropy) {
  return Gradient::apply(logits, masks, dice, cross_entropy);
}

}  // namespace oncotome::training
