// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>

#include "oncotome/engine/backend.h"
#include "oncotome/kernels/convolution.h"

namespace oncotome::engine {
namespace {

struct Kind {
  const char* convolution;
  int in, out;
  std::array<int, 3> kernel, stride{1, 1, 1}, dilation{1, 1, 1};
  bool transposed = false, first = false, last = false;
};

constexpr Kind kKinds[] = {
    {"3x3x3, 32 to 32 channels", 32, 32, {3, 3, 3}},
    {"1x3x3, 32 to 32 channels", 32, 32, {1, 3, 3}},
    {"3x3x3, 32 to 64 channels, stride 2", 32, 64, {3, 3, 3}, {2, 2, 2}},
    {"3x3x3, 32 to 32 channels, dilation 2", 32, 32, {3, 3, 3}, {1, 1, 1}, {2, 2, 2}},
    {"1x1x1, 64 to 128 channels", 64, 128, {1, 1, 1}},
    {"3x3x3, the input's 4 to 32 channels", 4, 32, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, false, true},
    {"2x2x2 transposed, 64 to 32 channels", 64, 32, {2, 2, 2}, {2, 2, 2}, {1, 1, 1}, true},
    {"1x1x1, 32 channels to 3 of the output", 32, 3, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, false, false, true},
};

kernels::ConvShape shape_of(const Kind& kind, Precision precision) {
  kernels::ConvShape shape;
  shape.transposed = kind.transposed;
  shape.source_channels[0] = kind.in;
  shape.out_channels = kind.out;
  for (std::size_t a = 0; a < 3; ++a) {
    shape.in[a] = 64;
    shape.kernel[a] = kind.kernel[a];
    shape.stride[a] = kind.stride[a];
    shape.dilation[a] = kind.dilation[a];
    shape.pad[a] = kind.transposed ? 0 : kind.dilation[a] * (kind.kernel[a] - 1) / 2;
    shape.out[a] = kind.transposed ? 64 * kind.stride[a] : 64 / kind.stride[a];
  }
  if (kind.first) shape.in_layout = kernels::Layout::planar;
  if (kind.last) shape.out_layout = kernels::Layout::planar;
  const bool is_short = precision == Precision::bf16 || precision == Precision::int8;
  const auto element = is_short ? kernels::Element::bf16 : kernels::Element::f32;
  if (!kind.first) shape.in_element = element;
  shape.out_element = element;
  shape.precision = static_cast<kernels::Precision>(precision);
  return shape;
}

std::string full_name(const kernels::ConvKernel& kernel) { return std::string(kernel.name) + "__" + kernel.isa; }

}  // namespace

std::vector<KernelChoice> kernel_choices(Precision precision) {
  load_backend(Device::cpu, 0, precision);
  const auto* const* candidates = kernels::conv_kernels(std::getenv("ONCOTOME_FORCE_ISA"));
  std::vector<KernelChoice> choices;
  for (const Kind& kind : kKinds) {
    const kernels::ConvShape shape = shape_of(kind, precision);
    KernelChoice choice{kind.convolution, {}};
    for (const auto* const* kernel = candidates; *kernel && choice.kernel.empty(); ++kernel) {
      if (const char* reason = (*kernel)->declines(shape))
        choice.declined.emplace_back(full_name(**kernel), reason);
      else
        choice.kernel = full_name(**kernel);
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

}  // namespace oncotome::engine
