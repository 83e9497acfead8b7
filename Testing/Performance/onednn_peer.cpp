// SPDX-License-Identifier: Apache-2.0
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "oncotome/bench/bench.h"

namespace oncotome::bench {
namespace {

using dnnl::memory;
using engine::Node;
using engine::Op;
using Dims = memory::dims;

/// What the graph's values are, and in which of the two layouts.
struct Kind {
  memory::data_type type;
  bool channels_last;
  bool flat;  ///< Two axes: the depth is one.
};

class Chain : public Contestant {
 public:
  Chain(const Task& task, Kind kind) : kind_(kind), task_(task) {
    for (const Node& node : task.graph.nodes) {
      const bool activated = !values_.empty() && fused_activation_ == static_cast<int>(values_.size());
      values_.push_back(activated ? values_.back() : make(node));
    }
    task_ = {};
  }

  void run() override {
    for (auto& [primitive, arguments] : steps_) primitive.execute(stream_, arguments);
    stream_.wait();
  }

  engine::Tensor output() override {
    const memory& last = values_.back();
    Dims dims = last.get_desc().dims();
    memory plain({dims, memory::data_type::f32, plain_tag()}, engine_);
    dnnl::reorder(last, plain).execute(stream_, const_cast<memory&>(last), plain);
    stream_.wait();
    if (kind_.flat) dims.insert(dims.begin() + 2, 1);
    engine::Tensor t(dims);
    const float* from = static_cast<const float*>(plain.get_data_handle());
    std::transform(from, from + t.values.size(), t.values.begin(), [&](float v) { return v * output_scale_; });
    return t;
  }

  std::string how() const override { return std::string(kind_.channels_last ? "channels last " : "any ") + how_; }

 private:
  using Arguments = std::unordered_map<int, memory>;

  memory::format_tag plain_tag() const { return kind_.flat ? memory::format_tag::abcd : memory::format_tag::abcde; }
  memory::format_tag wanted_tag() const {
    if (!kind_.channels_last) return memory::format_tag::any;
    return kind_.flat ? memory::format_tag::acdb : memory::format_tag::acdeb;
  }
  bool is_int8() const { return kind_.type == memory::data_type::s8; }

  /// The axes of a triple that there are.
  Dims spatial(const engine::Dhw& v) const { return kind_.flat ? Dims{v[1], v[2]} : Dims{v[0], v[1], v[2]}; }

  memory user_memory(const std::vector<float>& values, const Dims& dims, memory::format_tag tag) {
    memory m({dims, memory::data_type::f32, tag}, engine_);
    std::copy(values.begin(), values.end(), static_cast<float*>(m.get_data_handle()));
    return m;
  }

  /// In `desc`; what this takes is measured unless it happens once.
  memory in_format(memory from, const memory::desc& desc, bool once, const dnnl::primitive_attr& attributes = {}) {
    if (from.get_desc() == desc) return from;
    memory to(desc, engine_);
    const dnnl::reorder reorder(dnnl::reorder::primitive_desc(from, to, attributes));
    if (once) {
      reorder.execute(stream_, from, to);
      stream_.wait();
    } else {
      steps_.emplace_back(reorder, Arguments{{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    }
    return to;
  }

  memory make(const Node& node) {
    const auto value = [&](int i) { return values_[static_cast<std::size_t>(i)]; };
    switch (node.op) {
      case Op::input: {
        Dims dims = task_.input.shape;
        if (kind_.flat) dims.erase(dims.begin() + 2);
        return user_memory(task_.input.values, dims, plain_tag());
      }
      case Op::conv:
      case Op::conv_transpose:
        return convolution(node, value(node.inputs[0]));
      case Op::instance_norm:
        return normalization(node, value(node.inputs[0]));
      case Op::leaky_relu:
        return activation(node, value(node.inputs[0]));
      default: {
        std::vector<memory::desc> descs;
        Arguments arguments;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
          arguments[DNNL_ARG_MULTIPLE_SRC + static_cast<int>(i)] = value(node.inputs[i]);
          descs.push_back(value(node.inputs[i]).get_desc());
        }
        const dnnl::concat::primitive_desc pd(1, descs, engine_);
        return emit(dnnl::concat(pd), pd.dst_desc(), std::move(arguments));
      }
    }
  }

  memory emit(dnnl::primitive primitive, const memory::desc& output, Arguments arguments) {
    memory to(output, engine_);
    arguments[DNNL_ARG_DST] = to;
    steps_.emplace_back(std::move(primitive), std::move(arguments));
    return to;
  }

  memory convolution(const Node& node, const memory& source) {
    const engine::Tensor& w = task_.weights.at(node.weight);
    const bool up = node.op == Op::conv_transpose;
    const std::int64_t ins = w.shape[up ? 0 : 1], outs = w.shape[up ? 1 : 0];
    const Dims in = source.get_desc().dims(), kernel = spatial(node.kernel), stride = spatial(node.stride);
    Dims dilation = spatial(node.dilation), before = spatial(node.pad_before), after = spatial(node.pad_after);
    Dims out{in[0], outs}, weight{outs, ins};
    for (std::size_t a = 0; a < kernel.size(); ++a) {
      const std::int64_t reach = (kernel[a] - 1) * dilation[a]--, pad = before[a] + after[a];
      out.push_back(up ? (in[a + 2] - 1) * stride[a] + reach + 1 - pad : (in[a + 2] + pad - reach - 1) / stride[a] + 1);
      weight.push_back(kernel[a]);
    }
    using Type = memory::data_type;
    const memory::desc src_md(in, is_int8() ? Type::u8 : kind_.type, wanted_tag());
    const memory::desc dst_md(out, kind_.type, wanted_tag()), any_weight(weight, kind_.type, memory::format_tag::any);
    const memory::desc bias_md =
        node.bias.empty() ? memory::desc() : memory::desc({outs}, Type::f32, memory::format_tag::a);
    const auto swapped = kind_.flat ? memory::format_tag::bacd : memory::format_tag::bacde;
    const memory plain_weight = user_memory(w.values, weight, up ? swapped : plain_tag());
    Arguments arguments;
    if (!node.bias.empty())
      arguments[DNNL_ARG_BIAS] = user_memory(task_.weights.at(node.bias).values, {outs}, memory::format_tag::a);
    const auto finish = [&](const auto& pd, auto primitive) {
      how_ = how_.empty() ? pd.impl_info_str() : how_;
      const bool is_input = values_.size() == 1;
      arguments[DNNL_ARG_SRC] = in_format(source, pd.src_desc(), is_input, quantizing({input_scale_}, 0));
      arguments[DNNL_ARG_WEIGHTS] = in_format(plain_weight, pd.weights_desc(), true, quantizing(weight_scales_, 1));
      return emit(std::move(primitive), pd.dst_desc(), std::move(arguments));
    };
    constexpr auto kInference = dnnl::prop_kind::forward_inference;
    if (up) {
      const dnnl::deconvolution_forward::primitive_desc pd(
          {kInference, dnnl::algorithm::deconvolution_direct, src_md, any_weight, bias_md, dst_md, stride, dilation,
           before, after},
          engine_);
      return finish(pd, dnnl::deconvolution_forward(pd));
    }
    dnnl::primitive_attr attributes;
    if (is_int8()) attributes.set_output_scales(2, output_scales(w));
    const dnnl::convolution_forward::primitive_desc pd({kInference, dnnl::algorithm::convolution_auto, src_md,
                                                        any_weight, bias_md, dst_md, stride, dilation, before, after},
                                                       attributes, engine_);
    return finish(pd, dnnl::convolution_forward(pd));
  }

  dnnl::primitive_attr quantizing(const std::vector<float>& scales, int mask) const {
    dnnl::primitive_attr attributes;
    if (is_int8()) attributes.set_output_scales(mask, scales);
    return attributes;
  }

  /// Scales such that the greatest input and weights become 255 and 127, and five deviations of the output 127.
  std::vector<float> output_scales(const engine::Tensor& w) {
    const auto& x = task_.input.values;
    double squares = 0;
    for (const float v : x) squares += double{v} * v;
    input_scale_ = 255 / *std::max_element(x.begin(), x.end());
    const auto outs = static_cast<std::size_t>(w.shape[0]), terms = w.values.size() / outs;
    double weight_squares = 0;
    for (const float v : w.values) weight_squares += double{v} * v;
    const double deviation =
        std::sqrt(squares / static_cast<double>(x.size()) * weight_squares / static_cast<double>(outs));
    output_scale_ = static_cast<float>(5 * deviation / 127);
    std::vector<float> scales;
    weight_scales_.clear();
    for (std::size_t o = 0; o < outs; ++o) {
      float greatest = 0;
      for (std::size_t i = 0; i < terms; ++i) greatest = std::max(greatest, std::abs(w.values[o * terms + i]));
      weight_scales_.push_back(127 / greatest);
      scales.push_back(1 / (input_scale_ * weight_scales_.back() * output_scale_));
    }
    return scales;
  }

  /// With LeakyReLU, which follows, where oneDNN joins them.
  memory normalization(const Node& node, const memory& source) {
    const auto next = values_.size() + 1;
    const Node* after = next < task_.graph.nodes.size() ? &task_.graph.nodes[next] : nullptr;
    using Flags = dnnl::normalization_flags;
    const dnnl::batch_normalization_forward::desc desc(dnnl::prop_kind::forward_inference, source.get_desc(),
                                                       static_cast<float>(node.epsilon),
                                                       Flags::use_scale | Flags::use_shift);
    const Dims channels{source.get_desc().dims()[1]};
    const Arguments arguments = {
        {DNNL_ARG_SRC, source},
        {DNNL_ARG_SCALE, user_memory(task_.weights.at(node.weight).values, channels, memory::format_tag::a)},
        {DNNL_ARG_SHIFT, user_memory(task_.weights.at(node.bias).values, channels, memory::format_tag::a)}};
    if (after && after->op == Op::leaky_relu) {
      dnnl::primitive_attr attributes;
      dnnl::post_ops ops;
      ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, static_cast<float>(after->slope), 0);
      attributes.set_post_ops(ops);
      try {
        const dnnl::batch_normalization_forward::primitive_desc pd(desc, attributes, engine_);
        fused_activation_ = static_cast<int>(next);
        return emit(dnnl::batch_normalization_forward(pd), pd.dst_desc(), arguments);
      } catch (const dnnl::error&) {
        fused_activation_ = -1;
      }
    }
    const dnnl::batch_normalization_forward::primitive_desc pd(desc, engine_);
    return emit(dnnl::batch_normalization_forward(pd), pd.dst_desc(), arguments);
  }

  memory activation(const Node& node, const memory& source) {
    const dnnl::eltwise_forward::primitive_desc pd({dnnl::prop_kind::forward_inference, dnnl::algorithm::eltwise_relu,
                                                    source.get_desc(), static_cast<float>(node.slope), 0},
                                                   engine_);
    steps_.emplace_back(dnnl::eltwise_forward(pd), Arguments{{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, source}});
    return source;
  }

  const Kind kind_;
  Task task_;
  const dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::vector<memory> values_;
  std::vector<std::pair<dnnl::primitive, Arguments>> steps_;
  std::string how_;
  float input_scale_ = 1, output_scale_ = 1;
  std::vector<float> weight_scales_{1};
  int fused_activation_ = -1;
};

bool takes(const Task& task, const std::string& dtype) {
  const auto& nodes = task.graph.nodes;
  const bool is_single = nodes.size() == 2 && nodes[1].op == Op::conv;
  if (dtype == "int8") return is_single;
  return std::all_of(nodes.begin(), nodes.end(), [](const Node& n) {
    return n.op == Op::input || n.op == Op::conv || n.op == Op::conv_transpose ||
           (n.op == Op::instance_norm && !n.weight.empty()) || n.op == Op::leaky_relu || n.op == Op::concat;
  });
}

/// oneDNN's primitives one after another, in the faster of two layouts: its own choice, and channels last. Knows
/// convolutions, instance normalization of one sample, LeakyReLU and concatenation.
class OneDnn : public Peer {
 public:
  explicit OneDnn(int threads) { omp_set_num_threads(threads); }
  std::string name() const override { return "oneDNN"; }
  std::string version() const override {
    const dnnl_version_t* v = dnnl_version();
    return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
  }
  std::unique_ptr<Contestant> prepare(const Task& task, const std::string& dtype) const override {
    if (!takes(task, dtype)) return nullptr;
    const auto type = dtype == "f32"    ? memory::data_type::f32
                      : dtype == "bf16" ? memory::data_type::bf16
                                        : memory::data_type::s8;
    const auto& nodes = task.graph.nodes;
    const bool flat = task.input.shape[2] == 1 && std::all_of(nodes.begin(), nodes.end(), [](const Node& n) {
                        return n.kernel[0] <= 1 && n.pad_before[0] == 0;
                      });
    std::unique_ptr<Contestant> best;
    double least = 0;
    for (const bool channels_last : {false, true}) {
      try {
        auto chain = std::make_unique<Chain>(task, Kind{type, channels_last, flat});
        chain->run();
        const auto start = std::chrono::steady_clock::now();
        chain->run();
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (best && seconds >= least) continue;
        best = std::move(chain);
        least = seconds;
      } catch (const dnnl::error&) {
        continue;  // There is no such primitive.
      }
    }
    return best;
  }
};

}  // namespace
}  // namespace oncotome::bench

extern "C" oncotome::bench::Peer* oncotome_create_peer(int threads) { return new oncotome::bench::OneDnn(threads); }
