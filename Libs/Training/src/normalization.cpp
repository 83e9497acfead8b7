// SPDX-License-Identifier: Apache-2.0
#include "normalization.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "loops.h"
#include "oncotome/core/axes.h"

namespace oncotome::training {
namespace {

using at::Tensor;
using kernels::Rows;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRows = 64;  ///< Whose sums stay in float32.

float* floats(const Tensor& t) { return t.data_ptr<float>(); }

/// Where the rows of features lie: each image of each run has its own, one after another.
struct Place {
  std::int64_t runs, channels, images, voxels;

  explicit Place(const Features& x)
      : runs(x.runs), channels(x.t.size(axes::C)), images(x.count()), voxels(x.t.numel() / (x.t.size(0) * channels)) {}

  std::int64_t parts_of_image() const { return (voxels + kRows - 1) / kRows; }
  double rows() const { return static_cast<double>(images * voxels); }
};

/// Up to kRows rows of one image of one run.
struct Part {
  std::int64_t offset;  ///< Of the first value.
  std::int64_t first_channel;
  Rows rows;

  Part(const Place& p, std::int64_t run, std::int64_t image, std::int64_t index)
      : offset(((image * p.runs + run) * p.voxels + index * kRows) * p.channels),
        first_channel(run * p.channels),
        rows{static_cast<std::size_t>(std::min(kRows, p.voxels - index * kRows)),
             static_cast<std::size_t>(p.channels)} {}
};

// Two sums per channel [2][runs * channels] that add(part, float sums[2][channels]) adds to; no matter how many
// threads, in one order.
template <class Add>
std::vector<double> two_sums(const Place& p, const Add& add) {
  const std::int64_t per_image = p.parts_of_image(), parts = p.images * per_image;
  const std::int64_t shares = std::min<std::int64_t>(parts, 64), C = p.runs * p.channels;
  const auto values = static_cast<std::size_t>(2 * p.channels);
  std::vector<double> found(static_cast<std::size_t>(p.runs * shares) * values);
  at::parallel_for(0, p.runs * shares, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> some(values);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t run = i / shares, share = i % shares;
      double* const to = &found[static_cast<std::size_t>(i) * values];
      for (std::int64_t part = share * parts / shares; part < (share + 1) * parts / shares; ++part) {
        std::fill(some.begin(), some.end(), 0.0F);
        add(Part(p, run, part / per_image, part % per_image), some.data());
        for (std::size_t v = 0; v < values; ++v) to[v] += static_cast<double>(some[v]);
      }
    }
  });
  std::vector<double> sums(static_cast<std::size_t>(2 * C));
  for (std::int64_t i = 0; i < p.runs * shares; ++i)
    for (std::int64_t c = 0; c < p.channels; ++c)
      for (std::int64_t k = 0; k < 2; ++k)
        sums[static_cast<std::size_t>(k * C + i / shares * p.channels + c)] +=
            found[static_cast<std::size_t>(i) * values + static_cast<std::size_t>(k * p.channels + c)];
  return sums;
}

template <class F>
void for_parts(const Place& p, const F& f) {
  const std::int64_t per_image = p.parts_of_image();
  at::parallel_for(0, p.images * p.runs * per_image, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      f(Part(p, i / per_image % p.runs, i / per_image / p.runs, i % per_image));
  });
}

class Gradient : public torch::autograd::Function<Gradient> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor& other, const BatchNorm& norm, std::int64_t runs, bool relu) {
    const Place p({x, runs});
    const std::int64_t C = p.runs * p.channels;
    const bool added = other.numel() > 0;
    // Sums of differences from a value of the channel lose less.
    const auto center = [&](std::int64_t channel) {
      return floats(x) + channel / p.channels * p.voxels * p.channels + channel % p.channels;
    };
    const std::vector<double> sums = two_sums(p, [&](const Part& part, float* to) {
      loops().moments(floats(x) + part.offset, center(part.first_channel), part.rows, to);
    });
    const Tensor kept = at::empty({4, C}, at::kFloat);
    float *const mean = floats(kept), *const deviation = mean + C, *const scale = deviation + C,
                 *const shift = scale + C;
    const double count = p.rows();
    for (std::int64_t c = 0; c < C; ++c) {
      const double away = sums[static_cast<std::size_t>(c)] / count, middle = *center(c) + away;
      const double variance = std::max(0.0, sums[static_cast<std::size_t>(C + c)] / count - away * away);
      const double factor = floats(weight)[c] / std::sqrt(variance + norm.epsilon);
      mean[c] = static_cast<float>(middle);
      deviation[c] = static_cast<float>(std::sqrt(variance + norm.epsilon));
      scale[c] = static_cast<float>(factor);
      shift[c] = static_cast<float>(floats(bias)[c] - middle * factor);
      const auto move = [&](const Tensor& to, double value) {
        floats(to)[c] += static_cast<float>(0.1 * (value - floats(to)[c]));
      };
      move(norm.running_mean, middle);
      move(norm.running_var, variance * count / std::max(1.0, count - 1));
    }
    Tensor y = at::empty_like(x);
    for_parts(p, [&](const Part& part) {
      loops().normalize(floats(x) + part.offset, added ? floats(other) + part.offset : nullptr,
                        {scale + part.first_channel, shift + part.first_channel, relu}, part.rows,
                        floats(y) + part.offset);
    });
    context->save_for_backward({x, kept, added && relu ? y : Tensor()});
    context->saved_data["runs"] = runs;
    context->saved_data["relu"] = relu;
    context->saved_data["added"] = added;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &x = saved[0], &kept = saved[1], &y = saved[2];
    const Place p({x, context->saved_data["runs"].toInt()});
    const std::int64_t C = p.runs * p.channels;
    const float *const mean = floats(kept), *const deviation = mean + C, *const scale = deviation + C,
                       *const shift = scale + C;
    const bool added = context->saved_data["added"].toBool();
    bool relu = context->saved_data["relu"].toBool();
    Tensor from = gradients[0].contiguous(x.suggest_memory_format());
    const Tensor passed = added && relu ? at::empty_like(x) : Tensor();
    const std::vector<double> sums = two_sums(p, [&](const Part& part, float* to) {
      loops().gradient_moments(
          floats(from) + part.offset, floats(x) + part.offset, y.defined() ? floats(y) + part.offset : nullptr,
          {scale + part.first_channel, shift + part.first_channel, relu}, mean + part.first_channel, part.rows,
          passed.defined() ? floats(passed) + part.offset : nullptr, to);
    });
    Tensor x_gradient = at::empty_like(x), base = at::empty({C}, at::kFloat), slope = at::empty_like(base);
    Tensor weight_gradient = at::empty_like(base), bias_gradient = at::empty_like(base);
    for (std::int64_t c = 0; c < C; ++c) {
      const double sum = sums[static_cast<std::size_t>(c)], products = sums[static_cast<std::size_t>(C + c)];
      const double d = deviation[c];
      floats(bias_gradient)[c] = static_cast<float>(sum);
      floats(weight_gradient)[c] = static_cast<float>(products / d);
      floats(base)[c] = static_cast<float>(sum / p.rows());
      floats(slope)[c] = static_cast<float>(products / (d * d * p.rows()));
    }
    if (passed.defined()) {
      from = passed;
      relu = false;
    }
    for_parts(p, [&](const Part& part) {
      const std::int64_t c = part.first_channel;
      loops().gradient(floats(from) + part.offset, floats(x) + part.offset, {scale + c, shift + c, relu}, mean + c,
                       floats(base) + c, floats(slope) + c, part.rows, floats(x_gradient) + part.offset);
    });
    return {x_gradient, weight_gradient, bias_gradient, added ? from : Tensor(), {}, {}, {}};
  }
};

// Laid out as x is, of which each may hold nothing.
Features as_laid_out(const Features& other, const Features& x) {
  if (!other.t.defined() || other.runs == x.runs) return other;
  return x.runs > 1 ? in_runs(other.t) : Features{whole(other)};
}

Tensor by_aten(const BatchNorm& norm, const Tensor& x, const Tensor& other, bool relu) {
  Tensor y = at::batch_norm(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, true, 0.1, norm.epsilon,
                            /*cudnn_enabled=*/true);
  if (other.defined()) y = y + other;
  return relu ? at::relu(y) : y;
}

}  // namespace

Features normalized(const BatchNorm& norm, const Features& x, const Features& other, bool relu) {
  if (!has_loops(x.t)) return {by_aten(norm, x.t, other.t, relu)};
  const at::MemoryFormat layout = x.t.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::ChannelsLast3d;
  const Features added = as_laid_out(other, x);
  return {Gradient::apply(x.t.contiguous(layout), norm.weight, norm.bias,
                          added.t.defined() ? added.t.contiguous(layout) : at::empty({0}, x.t.options()), norm, x.runs,
                          relu),
          x.runs};
}

Features normalized_as_moving(const BatchNorm& norm, const Features& x, const Features& other, bool relu) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.t.dim()), 1);
  std::copy_n(x.t.sizes().begin(), 2, shape.begin());
  const auto spread = [&](const Tensor& values) { return values.repeat({x.count()}).view(shape); };
  const Tensor factor = norm.weight / (norm.running_var + norm.epsilon).sqrt();
  Tensor y = (x.t * spread(factor)).add_(spread(norm.bias - norm.running_mean * factor));
  if (other.t.defined()) y = y + as_laid_out(other, x).t;
  return {relu ? at::relu_(y) : y, x.runs};
}

}  // namespace oncotome::training
