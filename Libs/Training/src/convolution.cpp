// SPDX-License-Identifier: Apache-2.0
#include "convolution.h"

#include "loops.h"
#include "oncotome/core/axes.h"
#include "oncotome/torch/evaluate.h"
#include "onednn.h"

namespace oncotome::training {

using at::Tensor;
using engine::Node;
using engine::Op;

namespace {

#ifdef ONCOTOME_ONEDNN

bool divides(std::int64_t channels) { return channels % kRunOfChannels == 0; }

// Where kernels do not overlap, a product of matrices gives the block of each voxel, and LibTorch 1.13 goes a slow way.
bool makes_blocks(const Node& node, const Tensor& weight, const Tensor& x) {
  return node.op == Op::conv_transpose && divides(weight.size(0)) && divides(weight.size(1)) &&
         torch_backend::spatial(node.stride, x) == weight.sizes().slice(axes::D).vec() &&
         node.pad_before == engine::Dhw{} && node.pad_after == engine::Dhw{};
}

Features blocks_of_voxels(const Tensor& weight, const Tensor& bias, const Features& x) {
  const std::int64_t C = weight.size(0), K = weight.size(1), runs = K / kRunOfChannels, n = x.t.dim() - axes::D;
  std::vector<std::int64_t> point = {-1, C}, apart = {x.count()}, order = {0, n + 1}, together = {x.count() * runs};
  for (std::int64_t a = axes::D; a < x.t.dim(); ++a) {
    point.push_back(1);
    apart.push_back(weight.size(a));
    order.insert(order.end(), {a + n, a - 1});
    together.push_back(x.t.size(a) * weight.size(a));
  }
  apart.push_back(runs);
  for (std::int64_t a = axes::D; a < x.t.dim(); ++a) apart.push_back(x.t.size(a));
  for (auto* list : {&apart, &together}) list->push_back(kRunOfChannels);
  order.push_back(2 * n + 2);
  // Channels of the product: the place within the block first.
  const Tensor points = weight.movedim(0, -1).movedim(0, -2).reshape(point);
  const Tensor biases = bias.defined() ? bias.repeat({points.size(0) / K}) : bias;
  const Features y = onednn_convolution({Op::conv}, points, biases, x, {});
  return {y.t.movedim(axes::C, -1).reshape(apart).permute(order).reshape(together).movedim(-1, axes::C), runs};
}

#endif

}  // namespace

Features in_runs(const Tensor& t) {
#ifdef ONCOTOME_ONEDNN
  const std::int64_t C = t.size(axes::C), runs = C / kRunOfChannels;
  if (!divides(C) || runs == 1 || !has_loops(t)) return {t};
  std::vector<std::int64_t> shape = t.movedim(axes::C, -1).sizes().vec();
  shape.back() = kRunOfChannels;
  shape.insert(shape.end() - 1, runs);
  return {t.movedim(axes::C, -1).reshape(shape).movedim(-2, axes::C).flatten(0, 1).movedim(-1, axes::C), runs};
#else
  return {t};
#endif
}

Tensor whole(const Features& features) {
  if (features.runs == 1) return features.t;
  const Tensor rows = features.t.movedim(axes::C, -1);
  std::vector<std::int64_t> shape = rows.sizes().vec();
  shape[0] = features.count();
  shape.insert(shape.begin() + 1, features.runs);
  return rows.reshape(shape).movedim(axes::C, -2).flatten(-2).movedim(-1, axes::C);
}

Features convolution(const Node& node, const Tensor& weight, const Tensor& bias, const std::vector<Features>& in,
                     bool mixed) {
#ifdef ONCOTOME_ONEDNN
  const bool ours = !mixed && has_loops(weight);
  if (ours && node.op == Op::conv) {
    Features y;
    std::int64_t first = 0;
    // Of a concatenation the sum of convolutions, without making it.
    for (const Features& x : in) {
      const Tensor part = in.size() > 1 ? weight.narrow(axes::C, first, x.channels()) : weight;
      y = onednn_convolution(node, part, first == 0 ? bias : Tensor(), x, y);
      first += x.channels();
    }
    return y;
  }
  if (ours && makes_blocks(node, weight, in[0].t)) return blocks_of_voxels(weight, bias, in[0]);
#endif
  std::vector<Tensor> plain;
  plain.reserve(in.size());
  for (const Features& x : in) plain.push_back(whole(x));
  const Tensor x = plain.size() > 1 ? at::cat(plain, axes::C) : plain[0];
  if (!mixed) return in_runs(torch_backend::evaluate(node, weight, bias, {x}));
  // LibTorch 1.13 has not every convolution of bfloat16 on the CPU, where their values are computed with in float32.
  const auto half = [](const Tensor& t) {
    const Tensor rounded = t.defined() ? t.to(at::kBFloat16) : t;
    return t.defined() && t.is_cpu() ? rounded.to(at::kFloat) : rounded;
  };
  return {torch_backend::evaluate(node, half(weight), half(bias), {half(x)}).to(at::kBFloat16)};
}

}  // namespace oncotome::training
