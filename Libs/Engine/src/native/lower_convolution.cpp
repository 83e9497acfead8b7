// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "lowering.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"

namespace oncotome::engine::native {

using kernels::ConvKernel;
using kernels::ConvShape;
using kernels::Element;
using kernels::Layout;

namespace {

std::int64_t products(const ConvShape& shape) {
  std::int64_t count = std::int64_t{shape.in_channels()} * shape.out_channels;
  for (std::size_t a = 0; a < 3; ++a)
    count *= std::int64_t{shape.transposed ? shape.in[a] : shape.out[a]} * shape.kernel[a];
  return count;
}

std::shared_ptr<const void> pack(const ConvKernel& kernel, const Step& step, const Tensor& weight) {
  const std::size_t bytes = (kernel.packed_bytes(step.shape) + 63) / 64 * 64;
  std::shared_ptr<void> packed(std::aligned_alloc(64, std::max<std::size_t>(bytes, 64)), std::free);
  if (!packed) throw std::bad_alloc();
  if (step.scales.empty()) {
    kernel.pack(step.shape, weight.values.data(), packed.get());
    return packed;
  }
  std::vector<float> scaled = weight.values;
  const std::size_t outs = step.scales.size();
  const auto taps = static_cast<std::size_t>(weight.shape[2] * weight.shape[3] * weight.shape[4]);
  const std::size_t run = step.shape.transposed ? taps : scaled.size() / outs;
  for (std::size_t i = 0; i < scaled.size(); ++i)
    scaled[i] = static_cast<float>(static_cast<double>(scaled[i]) * step.scales[i / run % outs]);
  kernel.pack(step.shape, scaled.data(), packed.get());
  return packed;
}

// All that packed weights depend on.
std::vector<int> pack_key(const Step& step) {
  const ConvShape& s = step.shape;
  std::vector<int> key{step.node,
                       s.source_count,
                       static_cast<int>(s.in_layout),
                       static_cast<int>(s.out_layout),
                       static_cast<int>(s.in_element),
                       static_cast<int>(s.out_element)};
  key.insert(key.end(), s.source_channels, s.source_channels + s.source_count);
  key.insert(key.end(), step.folded.begin(), step.folded.end());
  return key;
}

std::shared_ptr<const Executable> torch_executable(Network& network, int node) {
  if (const auto found = network.torch_nodes.find(node); found != network.torch_nodes.end()) return found->second;
  Graph alone;
  alone.add({});
  alone.add(network.graph.nodes[static_cast<std::size_t>(node)]);
  alone.nodes[1].inputs = {0};
  std::shared_ptr<const Executable> executable;
  try {
    struct Owner {
      std::shared_ptr<const Backend> backend;
      std::unique_ptr<Executable> executable;
    };
    auto owner = std::make_shared<Owner>();
    owner->backend = load_torch_backend(Device::cpu, compute_threads());
    owner->executable = owner->backend->compile(alone, network.weights);
    executable = std::shared_ptr<const Executable>(owner, owner->executable.get());
  } catch (const Error& e) {
    if (e.code() != ErrorCode::device_unavailable) throw;
  }
  return network.torch_nodes[node] = executable;
}

}  // namespace

bool Lowering::is_slow(const ConvKernel& kernel) const {
  return std::strcmp(kernel.isa, "reference") == 0 && !network_.only_reference;
}

const ConvKernel* Lowering::choose(const ConvShape& shape) const {
  const ConvKernel* kernel = kernels::choose_conv_kernel(network_.candidates, shape);
  if (!kernel) throw Error(ErrorCode::internal, "no kernel takes a convolution");
  return kernel;
}

bool Lowering::belongs_to_torch(const ConvShape& shape, const ConvKernel& kernel) const {
  constexpr std::int64_t kWorthIt = 10'000'000;
  return network_.precision != Precision::strict && is_slow(kernel) && products(shape) > kWorthIt &&
         torch_executable(network_, node_);
}

ConvShape Lowering::conv_shape(const Node& node, const Value& x, const Tensor& w) const {
  ConvShape shape;
  shape.transposed = node.op == Op::conv_transpose;
  shape.source_count = static_cast<int>(x.parts.size());
  for (std::size_t p = 0; p < x.parts.size(); ++p) shape.source_channels[p] = x.parts[p].channels;
  const std::size_t in_axis = shape.transposed ? 0 : 1;
  if (w.shape.size() != 5 || w.shape[in_axis] != shape.in_channels())
    throw Error(ErrorCode::backend_failed, "'" + node.weight + "' does not fit the channels that it is given");
  shape.out_channels = static_cast<int>(w.shape[1 - in_axis]);
  for (std::size_t a = 0; a < 3; ++a) {
    const auto reach = static_cast<int>(node.dilation[a] * (w.shape[a + 2] - 1));
    const auto stride = static_cast<int>(node.stride[a]);
    const auto padded = static_cast<int>(node.pad_before[a] + node.pad_after[a]);
    shape.in[a] = x.extent[a];
    shape.kernel[a] = static_cast<int>(w.shape[a + 2]);
    shape.stride[a] = stride;
    shape.dilation[a] = static_cast<int>(node.dilation[a]);
    shape.pad[a] = static_cast<int>(node.pad_before[a]);
    const int room = x.extent[a] + padded - reach - 1;
    shape.out[a] = shape.transposed ? (x.extent[a] - 1) * stride + reach + 1 - padded
                   : room < 0       ? 0
                                    : room / stride + 1;
    if (shape.out[a] < 1)
      throw Error(ErrorCode::backend_failed,
                  "the network does not take an input of this shape: nothing is left for '" + node.weight + "'");
  }
  shape.in_layout = x.parts[0].planar ? Layout::planar : Layout::blocked;
  shape.in_element = x.parts[0].element;
  shape.out_element = precise_[static_cast<std::size_t>(node_)] ? Element::f32 : plan_->element;
  const bool is_precise = !x.parts[0].planar && shape.in_element != plan_->element;
  shape.precision = static_cast<kernels::Precision>(is_precise ? Precision::f32 : network_.precision);
  return shape;
}

Value Lowering::convolution(const Node& node, Value x) {
  if (x.parts.size() > kernels::kMaxSources) x = joined(x);
  const Tensor& w = weight(node.weight);
  ConvShape shape = conv_shape(node, x, w);
  const ConvKernel* kernel = choose(shape);
  if (shape.in_layout == Layout::planar && is_slow(*kernel)) {
    ConvShape in_blocks = shape;
    in_blocks.in_layout = Layout::blocked;
    in_blocks.in_element = plan_->element;
    if (!is_slow(*choose(in_blocks))) {
      x = blocked(x);
      shape = in_blocks;
      kernel = choose(shape);
    }
  }
  const Extent out{shape.out[0], shape.out[1], shape.out[2]};
  if (belongs_to_torch(shape, *kernel)) {
    x = planar(x);
    Step& step = emit(Kind::torch, x, out, shape.out_channels);
    step.executable = torch_executable(network_, node_);
    Value y = result(shape.out_channels, out, true);
    plan_->steps.back().output = y.parts[0].buffer;
    return y;
  }
  Step& step = emit(Kind::conv, x, out, shape.out_channels);
  step.shape = shape;
  if (!node.bias.empty()) {
    step.bias = weight(node.bias).values;
    step.bias.resize(static_cast<std::size_t>(whole_blocks(shape.out_channels)));
  }
  Value y = result(shape.out_channels, out, false, shape.out_element);
  plan_->steps.back().output = y.parts[0].buffer;
  y.step = static_cast<int>(plan_->steps.size()) - 1;
  return y;
}

Value Lowering::blocked(const Value& x) {
  if (!x.parts[0].planar) return x;
  const auto known = blocked_.find(x.parts[0].buffer);
  if (known != blocked_.end()) return known->second;
  const int channels = x.parts[0].channels;
  emit(Kind::block, x, x.extent, channels);
  Value y = result(channels, x.extent);
  plan_->steps.back().output = y.parts[0].buffer;
  y.sole = x.sole || (x.parts[0].buffer == kInput && uses_[0] == 1);
  if (!y.sole) blocked_[x.parts[0].buffer] = y;
  return y;
}

Value Lowering::planar(const Value& source) {
  Value x = joined(source, 0, 0, true);
  if (x.parts[0].planar) return x;
  if (is_open(x)) {
    Step& step = plan_->steps[static_cast<std::size_t>(x.step)];
    ConvShape shape = step.shape;
    shape.out_layout = Layout::planar;
    if (step.kind == Kind::conv && step.residual == kNone && !step.norm &&
        (!is_slow(*choose(shape)) || is_slow(*choose(step.shape)))) {
      step.shape = shape;
      x.parts[0].planar = true;
      x.parts[0].element = Element::f32;
      x.step = kNone;
      plan_->buffers[static_cast<std::size_t>(step.output)].bytes =
          static_cast<std::size_t>(voxels_of(x.extent) * step.channels) * sizeof(float);
      return x;
    }
  }
  emit(Kind::unblock, x, x.extent, x.parts[0].channels);
  Value y = result(x.parts[0].channels, x.extent, true);
  plan_->steps.back().output = y.parts[0].buffer;
  return y;
}

Value Lowering::joined(const Value& x, int first_channel, int channels, bool may_be_planar) {
  if (x.parts.size() == 1 && (channels == 0 || channels == x.parts[0].channels)) return may_be_planar ? x : blocked(x);
  const Value from = blocked(x);
  if (channels == 0)
    for (const Part& part : from.parts) channels += part.channels;
  Step& step = emit(Kind::gather, from, from.extent, channels);
  step.first_channel = first_channel;
  Value y = result(channels, from.extent);
  plan_->steps.back().output = y.parts[0].buffer;
  return y;
}

Value Lowering::stored(const Value& source) {
  Value x = blocked(source);
  for (Part& part : x.parts) {
    if (part.is_plain()) continue;
    emit(Kind::combine, {{part}, x.extent}, x.extent, part.channels);
    const int buffer = x.sole ? part.buffer : result(part.channels, x.extent, false, part.element).parts[0].buffer;
    part = {buffer, part.channels, false, part.element};
    plan_->steps.back().output = buffer;
    x.step = x.parts.size() == 1 ? static_cast<int>(plan_->steps.size()) - 1 : kNone;
  }
  const auto is_new = [](const Part& before, const Part& now) { return before.buffer != now.buffer; };
  x.sole = x.sole || std::equal(source.parts.begin(), source.parts.end(), x.parts.begin(), is_new);
  return x;
}

Step& Lowering::emit(Kind kind, const Value& x, const Extent& out, int channels) {
  Step step;
  step.kind = kind;
  step.node = node_;
  step.sources = x.parts;
  step.channels = channels;
  step.in = x.extent;
  step.out = out;
  plan_->steps.push_back(std::move(step));
  return plan_->steps.back();
}

Value Lowering::result(int channels, const Extent& extent, bool is_planar) {
  return result(channels, extent, is_planar, is_planar ? Element::f32 : plan_->element);
}

Value Lowering::result(int channels, const Extent& extent, bool is_planar, Element element) {
  const auto values = static_cast<std::size_t>(voxels_of(extent) * (is_planar ? channels : whole_blocks(channels)));
  const std::size_t bytes = values * (element == Element::bf16 ? 2 : sizeof(float));
  return {{{add_buffer(bytes), channels, is_planar, element}}, extent, true};
}

int Lowering::add_buffer(std::size_t bytes) {
  plan_->buffers.push_back({bytes});
  return static_cast<int>(plan_->buffers.size()) - 1;
}

bool Lowering::is_open(const Value& x) const {
  return x.step != kNone && x.sole && x.parts.size() == 1 && x.parts[0].is_plain() && !x.parts[0].planar;
}

const Tensor& Lowering::weight(const std::string& name) const {
  const auto found = network_.weights.find(name);
  if (found == network_.weights.end()) throw Error(ErrorCode::weights_invalid, "the weights lack '" + name + "'");
  return found->second;
}

PerChannel Lowering::per_channel(const std::string& name, int first, int channels) const {
  const std::vector<float>& values = weight(name).values;
  std::vector<float> own(values.begin() + first, values.begin() + first + channels);
  own.resize(static_cast<std::size_t>(whole_blocks(channels)));
  return std::make_shared<const std::vector<float>>(std::move(own));
}

void Lowering::pack_weights() {
  std::vector<Step*> unpacked;
  for (Step& step : plan_->steps) {
    if (step.kind != Kind::conv) continue;
    step.kernel = choose(step.shape);
    step.weights = network_.packs[{step.kernel, pack_key(step)}];
    if (!step.weights) unpacked.push_back(&step);
  }
  parallel_for(0, static_cast<std::int64_t>(unpacked.size()), [&](std::int64_t i) {
    Step& step = *unpacked[static_cast<std::size_t>(i)];
    step.weights = pack(*step.kernel, step, weight(network_.graph.nodes[static_cast<std::size_t>(step.node)].weight));
  });
  for (const Step* step : unpacked) network_.packs[{step->kernel, pack_key(*step)}] = step->weights;
}

std::unique_ptr<Plan> Lowering::take() {
  plan_->scratch_bytes = kernels::kBlock * kRun * sizeof(float);
  pack_weights();
  for (Step& step : plan_->steps) {
    if (step.kind == Kind::conv)
      plan_->scratch_bytes = std::max(plan_->scratch_bytes, step.kernel->scratch_bytes(step.shape));
    if (!step.norm) continue;
    step.norm->tiles = step.kind == Kind::conv ? step.kernel->tiles(step.shape) : runs_of(voxels_of(step.out));
    step.norm->statistics =
        add_buffer(static_cast<std::size_t>(step.norm->tiles * 2 * whole_blocks(step.channels)) * sizeof(double));
  }
  return std::move(plan_);
}

std::unique_ptr<const Plan> make_plan(Network& network, const std::vector<std::int64_t>& input_shape) {
  std::unique_ptr<Plan> plan = Lowering(network, input_shape).take();
  lay_out(*plan);
  return plan;
}

}  // namespace oncotome::engine::native
