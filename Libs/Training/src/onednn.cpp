// SPDX-License-Identifier: Apache-2.0
#include "onednn.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <deque>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "oncotome/core/axes.h"
#include "oncotome/torch/evaluate.h"

namespace oncotome::training {
namespace {

using at::Tensor;
using dnnl::algorithm;
using dnnl::memory;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Dims = memory::dims;
using Tag = memory::format_tag;

at::MemoryFormat innermost(std::int64_t axes) {
  return axes == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::ChannelsLast3d;
}

// Never destroyed, for primitives and threads' streams need it until the process ends.
const dnnl::engine& cpu() {
  static const dnnl::engine& engine = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

enum class Layout { planes, rows, runs };

memory::desc described(const Dims& dims, Layout layout) {
  const bool flat = dims.size() == 4;
  const Tag tag = layout == Layout::planes ? (flat ? Tag::abcd : Tag::abcde)
                  : layout == Layout::rows ? (flat ? Tag::acdb : Tag::acdeb)
                                           : (flat ? Tag::aBcd16b : Tag::aBcde16b);
  return {dims, memory::data_type::f32, tag};
}

memory::desc any(const Dims& dims) { return {dims, memory::data_type::f32, Tag::any}; }

void run(const dnnl::primitive& primitive, const std::unordered_map<int, memory>& arguments) {
  static thread_local dnnl::stream stream(cpu());
  primitive.execute(stream, arguments);
  stream.wait();
}

/// The three passes of a convolution of one shape.
class Passes {
 public:
  /// What it is chosen by.
  struct Shape {
    Dims x, weight, y, stride, dilation, before, after;
    bool biased, adds;

    bool has_winograd() const {
      return x.size() == 4 && weight[2] == 3 && weight[3] == 3 && stride == Dims{1, 1} && dilation == Dims{0, 0} &&
             x_layout() == Layout::runs && y_layout() == Layout::runs;
    }
    bool divides(const Dims& dims) const { return dims[axes::C] % kRunOfChannels == 0; }
    // The first layer's few channels are oneDNN's own case.
    Layout x_layout() const {
      if (!divides(y)) return Layout::rows;
      return divides(x) ? Layout::runs : x[axes::C] <= 3 ? Layout::planes : Layout::rows;
    }
    Layout y_layout() const { return x_layout() == Layout::rows ? Layout::rows : Layout::runs; }
  };

  explicit Passes(const Shape& s)
      : shape_(s),
        x_(described(s.x, s.x_layout())),
        y_(described(s.y, s.y_layout())),
        plain_weight_(described(s.weight, Layout::rows)),
        forward_how_(chosen<dnnl::convolution_forward::primitive_desc>([&](algorithm how, bool may_fail) {
          return dnnl::convolution_forward::primitive_desc({dnnl::prop_kind::forward_training, how, x_, any(s.weight),
                                                            bias(), y_, s.stride, s.dilation, s.before, s.after},
                                                           adding(s.adds), cpu(), may_fail);
        })),
        data_how_(chosen<dnnl::convolution_backward_data::primitive_desc>([&](algorithm how, bool may_fail) {
          return dnnl::convolution_backward_data::primitive_desc(
              {how, x_, any(s.weight), y_, s.stride, s.dilation, s.before, s.after}, cpu(), forward_how_, may_fail);
        })),
        weight_how_(chosen<dnnl::convolution_backward_weights::primitive_desc>([&](algorithm how, bool may_fail) {
          return dnnl::convolution_backward_weights::primitive_desc(
              {how, x_, any(s.weight), bias(), y_, s.stride, s.dilation, s.before, s.after}, cpu(), forward_how_,
              may_fail);
        })),
        forward_(forward_how_),
        data_(data_how_),
        weight_(weight_how_),
        to_forward_(reordering(plain_weight_, forward_how_.weights_desc())),
        to_data_(reordering(plain_weight_, data_how_.weights_desc())),
        from_weight_(reordering(weight_how_.diff_weights_desc(), plain_weight_)) {}

  const Shape& shape() const { return shape_; }

  Tensor forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& sum) const {
    std::vector<std::int64_t> shape = shape_.y;
    if (shape_.y_layout() == Layout::runs) {
      shape[axes::N] *= shape[axes::C] / kRunOfChannels;
      shape[axes::C] = kRunOfChannels;
    }
    Tensor y = shape_.adds ? sum : at::empty(shape, x.options().memory_format(innermost(x.dim())));
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, {x_, cpu(), x.data_ptr()}},
        {DNNL_ARG_WEIGHTS, in_format(weight, forward_how_.weights_desc(), to_forward_)},
        {DNNL_ARG_DST, {y_, cpu(), y.data_ptr()}}};
    if (shape_.biased) arguments[DNNL_ARG_BIAS] = {forward_how_.bias_desc(), cpu(), bias.data_ptr()};
    run(forward_, arguments);
    return y;
  }

  Tensor x_gradient(const Tensor& x, const Tensor& weight, const Tensor& y_gradient) const {
    Tensor out = at::empty_like(x);
    run(data_, {{DNNL_ARG_DIFF_DST, {y_, cpu(), y_gradient.data_ptr()}},
                {DNNL_ARG_WEIGHTS, in_format(weight, data_how_.weights_desc(), to_data_)},
                {DNNL_ARG_DIFF_SRC, {x_, cpu(), out.data_ptr()}}});
    return out;
  }

  /// And the bias's.
  std::pair<Tensor, Tensor> weight_gradient(const Tensor& x, const Tensor& y_gradient) const {
    Tensor out = at::empty(shape_.weight, x.options().memory_format(innermost(x.dim())));
    Tensor bias_out = shape_.biased ? at::empty({shape_.y[axes::C]}, x.options()) : Tensor();
    const memory plain(plain_weight_, cpu(), out.data_ptr());
    const memory::desc how = weight_how_.diff_weights_desc();
    const memory found = how == plain_weight_ ? plain : memory(how, cpu());
    std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, {x_, cpu(), x.data_ptr()}},
                                                 {DNNL_ARG_DIFF_DST, {y_, cpu(), y_gradient.data_ptr()}},
                                                 {DNNL_ARG_DIFF_WEIGHTS, found}};
    if (shape_.biased) arguments[DNNL_ARG_DIFF_BIAS] = {weight_how_.diff_bias_desc(), cpu(), bias_out.data_ptr()};
    run(weight_, arguments);
    if (how != plain_weight_) run(from_weight_, {{DNNL_ARG_FROM, found}, {DNNL_ARG_TO, plain}});
    return {out, bias_out};
  }

 private:
  template <class How, class Make>
  How chosen(const Make& make) const {
    if (shape_.has_winograd())
      if (How how = make(algorithm::convolution_winograd, true)) return how;
    return make(algorithm::convolution_direct, false);
  }

  static dnnl::primitive_attr adding(bool adds) {
    dnnl::primitive_attr attributes;
    dnnl::post_ops after;
    if (adds) after.append_sum();
    attributes.set_post_ops(after);
    return attributes;
  }

  static dnnl::reorder reordering(const memory::desc& from, const memory::desc& to) {
    return from == to ? dnnl::reorder() : dnnl::reorder({cpu(), from, cpu(), to});
  }

  memory in_format(const Tensor& weight, const memory::desc& how, const dnnl::reorder& reorder) const {
    memory plain(plain_weight_, cpu(), weight.data_ptr());
    if (plain_weight_ == how) return plain;
    memory to(how, cpu());
    run(reorder, {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, to}});
    return to;
  }

  memory::desc bias() const {
    if (!shape_.biased) return {};
    return {{shape_.y[axes::C]}, memory::data_type::f32, Tag::a};
  }

  const Shape shape_;
  const memory::desc x_, y_, plain_weight_;
  const dnnl::convolution_forward::primitive_desc forward_how_;
  const dnnl::convolution_backward_data::primitive_desc data_how_;
  const dnnl::convolution_backward_weights::primitive_desc weight_how_;
  const dnnl::primitive forward_, data_, weight_;
  const dnnl::reorder to_forward_, to_data_, from_weight_;
};

/// Of any shape seen before, by number; never destroyed.
class KnownPasses {
 public:
  static KnownPasses& get() {
    static KnownPasses& known = *new KnownPasses;
    return known;
  }

  std::int64_t number(const Passes::Shape& s) {
    // Primitives divide their work among the threads when they are made.
    Dims key{s.biased ? 1 : 0, s.adds ? 1 : 0, at::get_num_threads()};
    for (const Dims* part : {&s.x, &s.weight, &s.stride, &s.dilation, &s.before, &s.after})
      key.insert(key.end(), part->begin(), part->end());
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = numbers_.find(key);
    if (found != numbers_.end()) return found->second;
    passes_.emplace_back(s);
    return numbers_[key] = static_cast<std::int64_t>(passes_.size()) - 1;
  }

  const Passes& at(std::int64_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return passes_.at(static_cast<std::size_t>(number));
  }

 private:
  std::mutex mutex_;
  std::map<Dims, std::int64_t> numbers_;
  std::deque<Passes> passes_;  ///< Which stay where they are.
};

// `bias` and `sum` are empty where there are none.
class Gradient : public torch::autograd::Function<Gradient> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor& sum, std::int64_t number) {
    const Passes& passes = KnownPasses::get().at(number);
    context->save_for_backward({x, weight});
    context->saved_data["number"] = number;
    if (passes.shape().adds) context->mark_dirty({sum});
    return passes.forward(x, weight, bias, sum);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Passes& passes = KnownPasses::get().at(context->saved_data["number"].toInt());
    const Tensor y_gradient = gradients[0].contiguous(innermost(gradients[0].dim()));
    variable_list out(5);
    if (context->needs_input_grad(0)) out[0] = passes.x_gradient(saved[0], saved[1], y_gradient);
    if (context->needs_input_grad(1) || context->needs_input_grad(2))
      std::tie(out[1], out[2]) = passes.weight_gradient(saved[0], y_gradient);
    if (passes.shape().adds) out[3] = y_gradient;
    return out;
  }
};

}  // namespace

Features onednn_convolution(const engine::Node& node, const Tensor& weight, const Tensor& bias, const Features& x,
                            const Features& sum) {
  const at::MemoryFormat layout = innermost(x.t.dim());
  Passes::Shape shape;
  shape.x = x.t.sizes().vec();
  shape.x[axes::N] = x.count();
  shape.x[axes::C] = x.channels();
  shape.weight = weight.sizes().vec();
  shape.stride = torch_backend::spatial(node.stride, x.t);
  shape.dilation = torch_backend::spatial(node.dilation, x.t);
  shape.before = torch_backend::spatial(node.pad_before, x.t);
  shape.after = torch_backend::spatial(node.pad_after, x.t);
  shape.biased = bias.defined();
  shape.adds = sum.t.defined();
  shape.y = {shape.x[0], shape.weight[0]};
  for (std::size_t a = 0; a < shape.stride.size(); ++a) {
    const std::int64_t reach = (shape.weight[axes::D + a] - 1) * shape.dilation[a]-- + 1;
    shape.y.push_back((shape.x[axes::D + a] + shape.before[a] + shape.after[a] - reach) / shape.stride[a] + 1);
  }
  const Layout from = shape.x_layout();
  const Tensor images = from == Layout::runs   ? (x.runs * kRunOfChannels == x.channels() ? x : in_runs(x.t)).t
                        : from == Layout::rows ? whole(x)
                                               : whole(x).contiguous();
  const Tensor none = at::empty({0}, x.t.options());
  const Tensor ready = from == Layout::planes ? images : images.contiguous(layout);
  const bool in_rows = shape.y_layout() == Layout::rows;
  const Tensor before = !shape.adds ? none : in_rows ? whole(sum) : sum.t;
  const Tensor y = Gradient::apply(ready, weight.contiguous(layout), bias.defined() ? bias : none, before,
                                   KnownPasses::get().number(shape));
  return in_rows ? in_runs(y) : Features{y, shape.y[axes::C] / kRunOfChannels};
}

}  // namespace oncotome::training
