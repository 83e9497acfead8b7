// SPDX-License-Identifier: Apache-2.0
#include "oncotome/torch/evaluate.h"

#include "oncotome/core/axes.h"
#include "oncotome/core/error.h"

namespace oncotome::torch_backend {
namespace {

using at::Tensor;
using engine::Node;
using engine::Op;

// Zeros before and after the spatial axes, as constant_pad_nd takes them: the last axis first.
Tensor padded(const Node& node, const Tensor& x) {
  if (node.pad_before == node.pad_after) return x;
  const auto before = spatial(node.pad_before, x), after = spatial(node.pad_after, x);
  std::vector<std::int64_t> pads;
  for (std::size_t a = before.size(); a-- > 0;) pads.insert(pads.end(), {before[a], after[a]});
  return at::constant_pad_nd(x, pads);
}

Tensor convolved(const Node& node, const Tensor& weight, const Tensor& bias, const Tensor& x) {
  const std::vector<std::int64_t> none(static_cast<std::size_t>(x.dim() - axes::D), 0);
  const bool symmetric = node.pad_before == node.pad_after;
  return at::convolution(padded(node, x), weight, bias, spatial(node.stride, x),
                         symmetric ? spatial(node.pad_before, x) : none, spatial(node.dilation, x), false, none, 1);
}

Tensor conv_transposed(const Node& node, const Tensor& weight, const Tensor& bias, const Tensor& x) {
  const std::vector<std::int64_t> none(static_cast<std::size_t>(x.dim() - axes::D), 0);
  const std::vector<std::int64_t> ones(none.size(), 1);
  Tensor y = at::convolution(x, weight, bias, spatial(node.stride, x), none, ones, true, none, 1);
  const auto before = spatial(node.pad_before, x), after = spatial(node.pad_after, x);
  for (std::size_t a = 0; a < before.size(); ++a) {
    const std::int64_t axis = axes::D + static_cast<std::int64_t>(a);
    if (before[a] + after[a] > 0) y = y.narrow(axis, before[a], y.size(axis) - before[a] - after[a]);
  }
  return y;
}

}  // namespace

std::vector<std::int64_t> spatial(const engine::Dhw& dhw, const Tensor& x) {
  return {dhw.end() - (x.dim() - axes::D), dhw.end()};
}

Tensor per_channel(const Tensor& values, const Tensor& x) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[axes::C] = -1;
  return values.view(shape);
}

Tensor evaluate(const Node& node, const Tensor& weight, const Tensor& bias, const std::vector<Tensor>& in) {
  const Tensor& x = in.at(0);
  const bool plane = x.dim() == 4;
  const auto list = [&](const engine::Dhw& dhw) { return spatial(dhw, x); };
  switch (node.op) {
    case Op::conv:
      return convolved(node, weight, bias, x);
    case Op::conv_transpose:
      return conv_transposed(node, weight, bias, x);
    case Op::instance_norm:
      return at::instance_norm(x, weight, bias, {}, {}, /*use_input_stats=*/true, 0.0, node.epsilon, false);
    case Op::batch_norm:
      return at::batch_norm(x, weight, bias, {}, {}, /*training=*/true, 0.0, node.epsilon, false);
    case Op::affine:
      return at::addcmul(per_channel(bias, x), x, per_channel(weight, x));
    case Op::group_norm:
      return at::group_norm(x, node.groups, weight, bias, node.epsilon, false);
    case Op::prelu:
      return at::prelu(x, weight);
    case Op::leaky_relu:
      return at::leaky_relu(x, node.slope);
    case Op::relu:
      return at::relu(x);
    case Op::elu:
      return at::elu(x);
    case Op::gelu:
      return at::gelu(x);
    case Op::avg_pool:
      return plane ? at::avg_pool2d(x, list(node.stride), list(node.stride))
                   : at::avg_pool3d(x, list(node.stride), list(node.stride));
    case Op::max_pool:
      return plane ? at::max_pool2d(x, list(node.kernel), list(node.stride), list(node.pad_before))
                   : at::max_pool3d(x, list(node.kernel), list(node.stride), list(node.pad_before));
    case Op::adaptive_avg_pool:
      return plane ? at::adaptive_avg_pool2d(x, list(node.kernel)) : at::adaptive_avg_pool3d(x, list(node.kernel));
    case Op::weighted_mean: {
      const Tensor weights = 1 - in.at(1).narrow(axes::C, 0, 1);
      std::vector<std::int64_t> places;
      for (std::int64_t a = axes::D; a < x.dim(); ++a) places.push_back(a);
      return (x * weights).sum(places, true) / (weights.sum(places, true) + 1);
    }
    case Op::dropout:
      return x;
    case Op::add:
      return x + in.at(1);
    case Op::concat:
      return at::cat(in, axes::C);
    case Op::crop_depth:
      return x.narrow(axes::D, node.pad_before[0], x.size(axes::D) - node.pad_before[0] - node.pad_after[0]);
    case Op::pad_channels:
      return at::constant_pad_nd(x, {0, 0, 0, 0, 0, 0, node.pad_before[0], node.pad_after[0]});
    case Op::softmax:
      return at::softmax(x, axes::C);
    case Op::upsample: {
      auto size = list(node.stride);
      for (std::size_t a = 0; a < size.size(); ++a) size[a] *= x.size(axes::D + static_cast<std::int64_t>(a));
      return plane ? at::upsample_bilinear2d(x, size, /*align_corners=*/false)
                   : at::upsample_trilinear3d(x, size, /*align_corners=*/false);
    }
    case Op::input:
      break;
  }
  throw Error(ErrorCode::internal, "a graph node has no operation");
}

}  // namespace oncotome::torch_backend
