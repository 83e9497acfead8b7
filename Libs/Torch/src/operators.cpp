// SPDX-License-Identifier: Apache-2.0
// torch.ops.oncotome: convolutions by this project's kernels on plain float32 tensors of the CPU; what no kernel takes,
// and every gradient, goes to ATen.
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "convolution.h"

namespace oncotome::torch_backend {
namespace {

using at::IntArrayRef;
using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using MaybeTensor = Optional<Tensor>;

Tensor or_undefined(const MaybeTensor& t) { return t.has_value() ? *t : Tensor(); }

MaybeTensor or_none(const Tensor& t) { return t.defined() ? MaybeTensor(t) : MaybeTensor(); }

template <class F>
auto dispatched(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<F>();
}

Tensor by_aten(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, const Convolution& how) {
  const std::vector<std::int64_t> none(3, 0);
  return at::convolution(x, weight, bias, how.stride, how.padding, how.dilation, how.transposed,
                         how.transposed ? how.output_padding : IntArrayRef(none), 1);
}

Tensor by_kernels(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, const Convolution& how) {
  output_shape(x, weight, or_undefined(bias), how);
  const Tensor y = convolve(x, weight, or_undefined(bias), how);
  return y.defined() ? y : by_aten(x, weight, bias, how);
}

Tensor conv3d(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, IntArrayRef stride, IntArrayRef padding,
              IntArrayRef dilation) {
  return by_kernels(x, weight, bias, {stride, padding, dilation});
}

Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, IntArrayRef stride,
                        IntArrayRef padding, IntArrayRef output_padding, IntArrayRef dilation) {
  return by_kernels(x, weight, bias, {stride, padding, dilation, true, output_padding});
}

Tensor norm_act_by_aten(const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& shift,
                        const Convolution& how, double epsilon, double slope) {
  return at::leaky_relu(
      at::instance_norm(by_aten(x, weight, {}, how), or_none(scale), or_none(shift), {}, {}, true, 0.0, epsilon, false),
      slope);
}

Tensor conv3d_norm_act(const Tensor& x, const Tensor& weight, const MaybeTensor& scale, const MaybeTensor& shift,
                       IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, double epsilon, double slope) {
  const Convolution how{stride, padding, dilation};
  output_shape(x, weight, or_undefined(scale), how);
  output_shape(x, weight, or_undefined(shift), how);
  const NormAct after{or_undefined(scale), or_undefined(shift), epsilon, slope};
  const Tensor y = convolve(x, weight, {}, how, &after);
  return y.defined() ? y : norm_act_by_aten(x, weight, after.weight, after.bias, how, epsilon, slope);
}

Tensor empty_like_output(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, const Convolution& how) {
  return at::empty(output_shape(x, weight, or_undefined(bias), how), x.options());
}

Tensor conv3d_meta(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, IntArrayRef stride,
                   IntArrayRef padding, IntArrayRef dilation) {
  return empty_like_output(x, weight, bias, {stride, padding, dilation});
}

Tensor conv_transpose3d_meta(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, IntArrayRef stride,
                             IntArrayRef padding, IntArrayRef output_padding, IntArrayRef dilation) {
  return empty_like_output(x, weight, bias, {stride, padding, dilation, true, output_padding});
}

Tensor conv3d_norm_act_meta(const Tensor& x, const Tensor& weight, const MaybeTensor& scale, const MaybeTensor& shift,
                            IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, double, double) {
  empty_like_output(x, weight, scale, {stride, padding, dilation});
  return empty_like_output(x, weight, shift, {stride, padding, dilation});
}

class ConvolutionGradient : public torch::autograd::Function<ConvolutionGradient> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const MaybeTensor& bias,
                        const std::vector<std::int64_t>& stride, const std::vector<std::int64_t>& padding,
                        const std::vector<std::int64_t>& dilation, bool transposed,
                        const std::vector<std::int64_t>& output_padding) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    context->saved_data["dilation"] = dilation;
    context->saved_data["transposed"] = transposed;
    context->saved_data["output_padding"] = output_padding;
    const at::AutoDispatchBelowADInplaceOrView below;
    if (transposed) {
      static const auto op = dispatched<decltype(conv_transpose3d)>("oncotome::conv_transpose3d");
      return op.call(x, weight, bias, stride, padding, output_padding, dilation);
    }
    static const auto op = dispatched<decltype(conv3d)>("oncotome::conv3d");
    return op.call(x, weight, bias, stride, padding, dilation);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto list = [&](const char* name) { return context->saved_data[name].toIntVector(); };
    const bool transposed = context->saved_data["transposed"].toBool(), biased = context->saved_data["bias"].toBool();
    const std::vector<std::int64_t> channels{gradients[0].size(1)};
    auto [x, weight, bias] =
        at::convolution_backward(gradients[0], saved[0], saved[1], at::OptionalIntArrayRef(channels), list("stride"),
                                 list("padding"), list("dilation"), transposed, list("output_padding"), 1,
                                 {context->needs_input_grad(0), context->needs_input_grad(1), biased});
    return {x, weight, bias, {}, {}, {}, {}, {}};
  }
};

class NormActGradient : public torch::autograd::Function<NormActGradient> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const MaybeTensor& scale,
                        const MaybeTensor& shift, const std::vector<std::int64_t>& stride,
                        const std::vector<std::int64_t>& padding, const std::vector<std::int64_t>& dilation,
                        double epsilon, double slope) {
    context->save_for_backward({x, weight, or_undefined(scale), or_undefined(shift)});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    context->saved_data["dilation"] = dilation;
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["slope"] = slope;
    const at::AutoDispatchBelowADInplaceOrView below;
    static const auto op = dispatched<decltype(conv3d_norm_act)>("oncotome::conv3d_norm_act");
    return op.call(x, weight, scale, shift, stride, padding, dilation, epsilon, slope);
  }

  // What lies between is computed again rather than kept.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    variable_list inputs = context->get_saved_variables(), defined;
    for (Tensor& t : inputs)
      if (t.defined()) defined.push_back(t = t.detach().requires_grad_());
    const auto list = [&](const char* name) { return context->saved_data[name].toIntVector(); };
    const auto stride = list("stride"), padding = list("padding"), dilation = list("dilation");
    const at::AutoGradMode recorded(true);
    const Tensor y =
        norm_act_by_aten(inputs[0], inputs[1], inputs[2], inputs[3], {stride, padding, dilation},
                         context->saved_data["epsilon"].toDouble(), context->saved_data["slope"].toDouble());
    const variable_list found = torch::autograd::grad({y}, defined, {gradients[0]});
    variable_list out(9);
    for (std::size_t i = 0, next = 0; i < inputs.size(); ++i)
      if (inputs[i].defined()) out[i] = found[next++];
    return out;
  }
};

Tensor conv3d_autograd(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, IntArrayRef stride,
                       IntArrayRef padding, IntArrayRef dilation) {
  return ConvolutionGradient::apply(x, weight, bias, stride.vec(), padding.vec(), dilation.vec(), false,
                                    std::vector<std::int64_t>(3, 0));
}

Tensor conv_transpose3d_autograd(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, IntArrayRef stride,
                                 IntArrayRef padding, IntArrayRef output_padding, IntArrayRef dilation) {
  return ConvolutionGradient::apply(x, weight, bias, stride.vec(), padding.vec(), dilation.vec(), true,
                                    output_padding.vec());
}

Tensor conv3d_norm_act_autograd(const Tensor& x, const Tensor& weight, const MaybeTensor& scale,
                                const MaybeTensor& shift, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
                                double epsilon, double slope) {
  return NormActGradient::apply(x, weight, scale, shift, stride.vec(), padding.vec(), dilation.vec(), epsilon, slope);
}

}  // namespace
}  // namespace oncotome::torch_backend

TORCH_LIBRARY(oncotome, library) {
  library.def(
      "conv3d(Tensor x, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, int[3] dilation=1)"
      " -> Tensor");
  library.def(
      "conv_transpose3d(Tensor x, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0,"
      " int[3] output_padding=0, int[3] dilation=1) -> Tensor");
  library.def(
      "conv3d_norm_act(Tensor x, Tensor weight, Tensor? scale=None, Tensor? shift=None, int[3] stride=1,"
      " int[3] padding=0, int[3] dilation=1, float epsilon=1e-05, float negative_slope=0.01) -> Tensor");
}

TORCH_LIBRARY_IMPL(oncotome, CPU, library) {
  library.impl("conv3d", oncotome::torch_backend::conv3d);
  library.impl("conv_transpose3d", oncotome::torch_backend::conv_transpose3d);
  library.impl("conv3d_norm_act", oncotome::torch_backend::conv3d_norm_act);
}

TORCH_LIBRARY_IMPL(oncotome, Meta, library) {
  library.impl("conv3d", oncotome::torch_backend::conv3d_meta);
  library.impl("conv_transpose3d", oncotome::torch_backend::conv_transpose3d_meta);
  library.impl("conv3d_norm_act", oncotome::torch_backend::conv3d_norm_act_meta);
}

TORCH_LIBRARY_IMPL(oncotome, Autograd, library) {
  library.impl("conv3d", oncotome::torch_backend::conv3d_autograd);
  library.impl("conv_transpose3d", oncotome::torch_backend::conv_transpose3d_autograd);
  library.impl("conv3d_norm_act", oncotome::torch_backend::conv3d_norm_act_autograd);
}
