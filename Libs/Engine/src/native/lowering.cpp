// SPDX-License-Identifier: Apache-2.0
#include "lowering.h"

#include <algorithm>
#include <limits>

#include "oncotome/core/error.h"

namespace oncotome::engine::native {

using kernels::Activation;

namespace {

Activation kind_of(Op op) {
  switch (op) {
    case Op::relu:
      return Activation::relu;
    case Op::leaky_relu:
      return Activation::leaky_relu;
    case Op::prelu:
      return Activation::prelu;
    case Op::elu:
      return Activation::elu;
    case Op::gelu:
      return Activation::gelu;
    default:
      return Activation::none;
  }
}

}  // namespace

void refuse(const std::string& what) {
  throw Error(ErrorCode::backend_failed, "the network does not take an input of this shape: " + what);
}

Lowering::Lowering(Network& network, const std::vector<std::int64_t>& input_shape)
    : network_(network), uses_(network.graph.nodes.size()), values_(network.graph.nodes.size()) {
  if (input_shape.size() != 5) refuse("it has not five axes");
  std::int64_t size = 1;
  for (const std::int64_t n : input_shape) {
    if (n < 1 || n > std::numeric_limits<int>::max() / size) refuse("an axis is empty, or it is too large");
    if (&n - input_shape.data() >= 2) size *= n;
  }
  const bool is_short = network.precision == Precision::bf16 || network.precision == Precision::int8;
  plan_->element = is_short ? kernels::Element::bf16 : kernels::Element::f32;
  for (const Node& node : network.graph.nodes) {
    if (node.op == Op::batch_norm) plan_->samples = static_cast<int>(input_shape[0]);
    for (const int input : node.inputs) ++uses_[static_cast<std::size_t>(input)];
  }
  const std::vector<int> outputs = network.graph.output_nodes();
  for (const int output : outputs) ++uses_[static_cast<std::size_t>(output)];
  for (const int output : outputs) find_precise(static_cast<std::size_t>(output));
  for (; node_ < static_cast<int>(values_.size()); ++node_) {
    const auto n = static_cast<std::size_t>(node_);
    const Node& node = network.graph.nodes[n];
    Value value;
    if (node.op == Op::input) {
      value.parts = {{kInput, static_cast<int>(input_shape[1]), true}};
      for (std::size_t a = 0; a < 3; ++a) value.extent[a] = static_cast<int>(input_shape[a + 2]);
    } else {
      value = lower(node);
      value.sole = value.sole && uses_[n] == 1;
    }
    values_[n] = std::move(value);
  }
  for (const int output : outputs) give(values_[static_cast<std::size_t>(output)], input_shape[0]);
}

void Lowering::give(const Value& x, std::int64_t samples) {
  Value output = planar(x);
  if (output.parts[0].buffer == kInput) output = planar(blocked(output));
  const int last = output.parts[0].buffer, callers = kOutput - static_cast<int>(plan_->output_shapes.size());
  for (Step& step : plan_->steps) {
    if (step.output == last) step.output = callers;
    if (step.residual == last) step.residual = callers;
    for (Part& source : step.sources)
      if (source.buffer == last) source.buffer = callers;
  }
  plan_->output_shapes.push_back(
      {samples, output.parts[0].channels, output.extent[0], output.extent[1], output.extent[2]});
}

// Half of what few bits cost an output is the rounding of what its last convolution reads. That stays in float32 where
// it comes from convolutions by way of nothing that stores.
void Lowering::find_precise(std::size_t last) {
  const std::vector<Node>& nodes = network_.graph.nodes;
  precise_.resize(nodes.size());
  const auto convolves = [](const Node& node) { return node.op == Op::conv || node.op == Op::conv_transpose; };
  while (nodes[last].op != Op::input && !convolves(nodes[last])) last = static_cast<std::size_t>(nodes[last].inputs[0]);
  std::vector<int> open = nodes[last].inputs, found;
  while (!open.empty()) {
    const auto n = static_cast<std::size_t>(open.back());
    open.pop_back();
    const Node& node = nodes[n];
    const bool is_deferred = node.op == Op::instance_norm || node.op == Op::batch_norm || node.op == Op::group_norm ||
                             node.op == Op::affine || kind_of(node.op) != Activation::none || node.op == Op::concat;
    if (uses_[n] != 1 || !(is_deferred || convolves(node))) return;
    if (convolves(node))
      found.push_back(static_cast<int>(n));
    else
      open.insert(open.end(), node.inputs.begin(), node.inputs.end());
  }
  for (const int n : found) precise_[static_cast<std::size_t>(n)] = true;
}

Value Lowering::lower(const Node& node) {
  const Value& x = values_[static_cast<std::size_t>(node.inputs.at(0))];
  switch (node.op) {
    case Op::conv:
    case Op::conv_transpose:
      return convolution(node, x);
    case Op::instance_norm:
    case Op::group_norm:
      return normalization(node, x);
    case Op::batch_norm:
      if (node.stored) break;
      return normalization(node, x);
    case Op::affine:
      return affine(node, x);
    case Op::prelu:
    case Op::leaky_relu:
    case Op::relu:
    case Op::elu:
    case Op::gelu:
      return activation(node, x);
    case Op::add:
      return addition(x, values_[static_cast<std::size_t>(node.inputs.at(1))]);
    case Op::concat:
      return concatenation(node);
    case Op::crop_depth:
      return cropped(node, x);
    case Op::pad_channels: {
      const int before = static_cast<int>(node.pad_before[0]);
      int channels = before + static_cast<int>(node.pad_after[0]);
      for (const Part& part : x.parts) channels += part.channels;
      return joined(x, before, channels);
    }
    case Op::avg_pool:
    case Op::max_pool:
    case Op::upsample:
      return resampled(node, x);
    case Op::adaptive_avg_pool:
      return averaged(node, x);
    case Op::weighted_mean:
      return weighted_mean(x, values_[static_cast<std::size_t>(node.inputs.at(1))]);
    case Op::softmax:
      return softmax(x);
    case Op::dropout:
    case Op::input:
      break;
  }
  throw Error(ErrorCode::internal, "a graph node has no operation outside of training");
}

Value Lowering::normalization(const Node& node, Value x) {
  const bool is_plain =
      std::all_of(x.parts.begin(), x.parts.end(), [](const Part& part) { return part.is_plain() && !part.planar; });
  if (!is_plain) x = stored(x);
  if (node.op == Op::group_norm) x = joined(x);
  int first = 0;
  for (std::size_t p = 0; p < x.parts.size(); ++p) {
    take_statistics(x, p, first, node.op == Op::group_norm);
    first += x.parts[p].channels;
  }
  return x;
}

void Lowering::take_statistics(Value& x, std::size_t p, int first_channel, bool keeps_mean) {
  Part& part = x.parts[p];
  const auto floats = static_cast<std::size_t>(whole_blocks(part.channels)) * 2;
  const auto is_free = [](const Step& step) { return !step.norm && step.activation == Activation::none; };
  const bool has_step = x.step != kNone && is_free(plan_->steps[static_cast<std::size_t>(x.step)]);
  Step& step = has_step ? plan_->steps[static_cast<std::size_t>(x.step)]
                        : emit(Kind::combine, {{part}, x.extent}, x.extent, part.channels);
  // A constant that is added to a channel is taken off again with the mean.
  if (has_step && x.sole && !keeps_mean && step.residual == kNone) step.bias.clear();
  step.norm = Norm{
      node_, first_channel, part.channels, runs_of(voxels_of(x.extent)), kNone, add_buffer(floats * sizeof(float))};
  part.scale_shift = step.norm->scale_shift;
  if (x.parts.size() == p + 1) x.step = kNone;
}

Value Lowering::affine(const Node& node, Value x) {
  if (is_open(x)) {
    Step& step = plan_->steps[static_cast<std::size_t>(x.step)];
    if (step.kind == Kind::conv && step.residual == kNone && !step.norm && step.activation == Activation::none) {
      const Tensor &scale = weight(node.weight), &shift = weight(node.bias);
      step.scales.resize(scale.values.size(), 1);
      step.bias.resize(static_cast<std::size_t>(whole_blocks(step.channels)));
      for (std::size_t c = 0; c < scale.values.size(); ++c) {
        step.scales[c] *= static_cast<double>(scale.values[c]);
        step.bias[c] = static_cast<float>(static_cast<double>(step.bias[c]) * static_cast<double>(scale.values[c]) +
                                          static_cast<double>(shift.values[c]));
      }
      step.folded.push_back(node_);
      return x;
    }
  }
  if (std::any_of(x.parts.begin(), x.parts.end(), [](const Part& p) { return !p.is_plain() || p.planar; }))
    x = stored(x);
  int first = 0;
  for (Part& part : x.parts) {
    part.scale = per_channel(node.weight, first, part.channels);
    part.shift = per_channel(node.bias, first, part.channels);
    first += part.channels;
  }
  x.step = kNone;
  return x;
}

Value Lowering::activation(const Node& node, Value x) {
  const Activation kind = kind_of(node.op);
  const auto slope = static_cast<float>(node.slope);
  const auto takes = [&] {
    if (!is_open(x) || kind == Activation::prelu) return false;
    const Step& step = plan_->steps[static_cast<std::size_t>(x.step)];
    return !step.norm && step.activation == Activation::none;
  };
  // The costly ones are better done once than by each reader.
  const bool is_costly = kind == Activation::elu || kind == Activation::gelu;
  const auto is_activated = [](const Part& p) { return p.planar || p.activation != Activation::none; };
  if (!takes() && (is_costly || std::any_of(x.parts.begin(), x.parts.end(), is_activated))) x = stored(x);
  if (takes()) {
    Step& step = plan_->steps[static_cast<std::size_t>(x.step)];
    step.activation = kind;
    step.slope = slope;
    return x;
  }
  int first = 0;
  for (Part& part : x.parts) {
    part.activation = kind;
    part.slope = slope;
    if (kind == Activation::prelu) part.slopes = per_channel(node.weight, first, part.channels);
    first += part.channels;
  }
  x.step = kNone;
  return x;
}

bool Lowering::add_in_place(const Value& x, const Value& y, Value& sum) {
  if (!is_open(x) || y.parts.size() != 1 || !y.parts[0].is_plain() || y.parts[0].planar) return false;
  Step& step = plan_->steps[static_cast<std::size_t>(x.step)];
  const int buffer = y.parts[0].buffer;
  if (step.kind != Kind::conv || step.residual != kNone || step.norm || step.activation != Activation::none ||
      buffer == step.output)
    return false;
  const auto later = plan_->steps.begin() + x.step;
  if (std::any_of(later, plan_->steps.end(), [&](const Step& s) { return s.output == buffer; })) return false;
  step.residual = buffer;
  const auto reads = [&](const Part& part) { return part.buffer == buffer; };
  sum = x;
  if (y.sole && std::none_of(step.sources.begin(), step.sources.end(), reads))
    sum.parts[0].buffer = step.output = buffer;
  return true;
}

Value Lowering::addition(Value a, Value b) {
  const auto channels = [](const Value& v) {
    int sum = 0;
    for (const Part& part : v.parts) sum += part.channels;
    return sum;
  };
  if (a.extent != b.extent || channels(a) != channels(b)) refuse("two tensors that are added differ in shape");
  Value sum;
  if (add_in_place(a, b, sum) || add_in_place(b, a, sum)) return sum;
  a = joined(a);
  b = joined(b);
  Value both{{a.parts[0], b.parts[0]}, a.extent};
  emit(Kind::combine, both, a.extent, channels(a));
  const Value* in_place = a.sole ? &a : b.sole ? &b : nullptr;
  sum = result(channels(a), a.extent);
  if (in_place) sum.parts[0].buffer = in_place->parts[0].buffer;
  plan_->steps.back().output = sum.parts[0].buffer;
  sum.step = static_cast<int>(plan_->steps.size()) - 1;
  return sum;
}

Value Lowering::concatenation(const Node& node) {
  Value all{{}, {}, true};
  for (const int input : node.inputs) {
    const Value x = blocked(values_[static_cast<std::size_t>(input)]);
    if (!all.parts.empty() && x.extent != all.extent) refuse("two tensors that are concatenated differ in extent");
    all.extent = x.extent;
    all.sole = all.sole && x.sole;
    all.parts.insert(all.parts.end(), x.parts.begin(), x.parts.end());
  }
  return all;
}

Value Lowering::softmax(const Value& source) {
  const Value x = planar(source);
  const int channels = x.parts[0].channels;
  emit(Kind::softmax, x, x.extent, channels);
  Value out = x;
  if (!x.sole) out = result(channels, x.extent, true);
  plan_->steps.back().output = out.parts[0].buffer;
  out.sole = true;
  out.step = kNone;
  return out;
}

}  // namespace oncotome::engine::native
