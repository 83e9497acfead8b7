// SPDX-License-Identifier: Apache-2.0
#include "finish.h"

#include <algorithm>
#include <cmath>

#include "oncotome/core/parallel.h"
#include "oncotome/engine/components.h"

namespace oncotome::engine::monai {
namespace {

class Finisher {
 public:
  Finisher(Tensor scores, const History& history, std::vector<StepNote>& steps)
      : values_(std::move(scores)), history_(history), steps_(steps) {}

  void operator()(const Activate& kind) {
    settle();
    const std::int64_t K = values_.shape[0], count = voxels();
    parallel_for(0, values_.shape[1], [&](std::int64_t x) {
      const std::int64_t row = count / values_.shape[1];
      for (std::int64_t i = x * row; i < (x + 1) * row; ++i) {
        float* v = values_.values.data() + i;
        if (kind == Activate::sigmoid) {
          for (std::int64_t k = 0; k < K; ++k) v[k * count] = 1 / (1 + std::exp(-v[k * count]));
          continue;
        }
        float most = v[0], sum = 0;
        for (std::int64_t k = 1; k < K; ++k) most = std::max(most, v[k * count]);
        for (std::int64_t k = 0; k < K; ++k) sum += v[k * count] = std::exp(v[k * count] - most);
        for (std::int64_t k = 0; k < K; ++k) v[k * count] /= sum;
      }
    });
  }

  void operator()(const Invert& how) {
    nearest_ = how.nearest;
    if (labeled_ && !how.nearest) {
      nearest_ = true;
      steps_.push_back({"restore", "labels came back by nearest neighbor; the bundle would blend their numbers"});
    }
    waiting_ = true;
    if (labeled_) settle();
  }

  void operator()(const Discrete& how) {
    const std::int64_t K = values_.shape[0];
    Tensor best, labels;
    for (std::int64_t k = 0; k < K; ++k) {
      Tensor plane = this->plane(k);
      if (k == 0) labels = Tensor(plane.shape);
      for (std::size_t i = 0; i < plane.values.size(); ++i) {
        const float v = plane.values[i];
        // Masks of several channels are bits until one is chosen.
        if (how.threshold)
          labels.values[i] += v >= static_cast<float>(*how.threshold) ? static_cast<float>(1U << k) : 0.0F;
        else if (k > 0 && v > best.values[i])
          labels.values[i] = static_cast<float>(k);
        if (k > 0 && !how.threshold) plane.values[i] = std::max(v, best.values[i]);
      }
      best = std::move(plane);
    }
    values_ = std::move(labels);
    done_ = done_ || waiting_;
    waiting_ = false;
    labeled_ = true;
  }

  void operator()(const Choose& how) {
    for (float& v : values_.values) {
      const auto bits = static_cast<unsigned>(v);
      const auto found =
          std::find_if(how.cases.begin(), how.cases.end(), [&](const auto& c) { return (bits >> c.first & 1U) != 0; });
      v = found == how.cases.end() ? 0.0F : found->second;
    }
  }

  void operator()(const KeepLargest& how) {
    std::vector<std::uint8_t> labels = how.labels;
    if (labels.empty()) {
      std::array<bool, 256> seen{};
      for (float v : values_.values) seen[static_cast<std::size_t>(v)] = true;
      for (std::size_t i = 1; i < seen.size(); ++i)
        if (seen[i]) labels.push_back(static_cast<std::uint8_t>(i));
    }
    if (!how.independent) return keep(labels, how);
    for (std::uint8_t label : labels) keep({label}, how);
  }

  Tensor take() {
    if (!done_) {
      waiting_ = nearest_ = true;
      settle();
    }
    return std::move(values_);
  }

 private:
  std::int64_t voxels() const { return values_.shape[1] * values_.shape[2] * values_.shape[3]; }

  // One channel, on the image's grid once that was asked for.
  Tensor plane(std::int64_t k) const {
    Tensor plane({1, values_.shape[1], values_.shape[2], values_.shape[3]});
    std::copy_n(values_.values.begin() + k * voxels(), voxels(), plane.values.begin());
    return waiting_ ? invert(std::move(plane), history_, nearest_) : plane;
  }

  void settle() {
    if (!waiting_) return;
    values_ = invert(std::move(values_), history_, nearest_);
    waiting_ = false;
    done_ = true;
  }

  void keep(const std::vector<std::uint8_t>& labels, const KeepLargest& how) {
    Mask mask(values_.values.size());
    for (std::size_t i = 0; i < mask.size(); ++i)
      mask[i] = std::find(labels.begin(), labels.end(), static_cast<std::uint8_t>(values_.values[i])) != labels.end();
    const Components parts = connected_components(mask, {values_.shape[3], values_.shape[2], values_.shape[1]},
                                                  static_cast<Connectivity>(how.connectivity));
    std::vector<std::size_t> order(parts.voxel_counts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = order.size() - 1 - i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return parts.voxel_counts[a] > parts.voxel_counts[b]; });
    std::vector<bool> kept(order.size() + 1);
    for (std::size_t i = 0; i < std::min(order.size(), static_cast<std::size_t>(how.components)); ++i)
      kept[order[i] + 1] = true;
    for (std::size_t i = 0; i < mask.size(); ++i)
      if (mask[i] != 0 && !kept[static_cast<std::size_t>(parts.labels[i])]) values_.values[i] = 0;
  }

  Tensor values_;
  const History& history_;
  std::vector<StepNote>& steps_;
  bool waiting_ = false, nearest_ = true, labeled_ = false, done_ = false;
};

}  // namespace

Tensor finish(Tensor scores, const std::vector<Finish>& finish, const History& history, std::vector<StepNote>& steps,
              const Job& job) {
  Finisher finisher(std::move(scores), history, steps);
  for (const Finish& step : finish) {
    job.check();
    std::visit(finisher, step);
  }
  return finisher.take();
}

}  // namespace oncotome::engine::monai
