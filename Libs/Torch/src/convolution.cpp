// SPDX-License-Identifier: Apache-2.0
#include "convolution.h"

#include <algorithm>
#include <cmath>

#include "oncotome/core/axes.h"
#include "oncotome/kernels/convolution.h"

namespace oncotome::torch_backend {
namespace {

using kernels::ConvShape;
using kernels::kBlock;

at::Tensor aligned(std::int64_t bytes) { return at::empty({std::max<std::int64_t>(bytes, 64)}, at::kByte); }

at::Tensor blocked(const at::Tensor& x) {
  const std::int64_t C = x.size(axes::C), blocks = (C + kBlock - 1) / kBlock;
  return at::constant_pad_nd(x, {0, 0, 0, 0, 0, 0, 0, blocks * kBlock - C})
      .view({x.size(axes::N), blocks, kBlock, x.size(axes::D), x.size(axes::H), x.size(axes::W)})
      .permute({0, 1, 3, 4, 5, 2})
      .contiguous();
}

ConvShape shape_of(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight, const Convolution& how) {
  ConvShape shape;
  shape.transposed = how.transposed;
  shape.source_channels[0] = static_cast<int>(x.size(axes::C));
  shape.out_channels = static_cast<int>(y.size(axes::C));
  for (std::size_t a = 0; a < 3; ++a) {
    const auto axis = static_cast<std::int64_t>(a) + axes::D;
    shape.in[a] = static_cast<int>(x.size(axis));
    shape.out[a] = static_cast<int>(y.size(axis));
    shape.kernel[a] = static_cast<int>(weight.size(axis));
    shape.stride[a] = static_cast<int>(how.stride[a]);
    shape.dilation[a] = static_cast<int>(how.dilation[a]);
    shape.pad[a] = static_cast<int>(how.padding[a]);
  }
  return shape;
}

// What the block's channels are multiplied with and what is added, from the tiles' sums.
struct Affine {
  std::vector<float> scale, shift;

  Affine(std::size_t channels) : scale(channels, 1.0F), shift(channels, 0.0F) {}

  void normalize(const at::Tensor& sums, const NormAct& how, double count, std::int64_t channels) {
    const auto filled = [&](const at::Tensor& t, double value) {
      return t.defined() ? t.to(at::kDouble).contiguous() : at::full({channels}, value, at::kDouble);
    };
    const at::Tensor total = sums.sum(0), weight = filled(how.weight, 1), bias = filled(how.bias, 0);
    const double* moments = total.data_ptr<double>();
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
      const double mean = moments[c] / count;
      const double variance = std::max(0.0, moments[scale.size() + c] / count - mean * mean);
      const double factor = weight.data_ptr<double>()[c] / std::sqrt(variance + how.epsilon);
      scale[c] = static_cast<float>(factor);
      shift[c] = static_cast<float>(bias.data_ptr<double>()[c] - mean * factor);
    }
  }
};

// One sample, from blocks to planes.
void unblock(const float* from, const Affine& affine, float slope, std::int64_t channels, std::int64_t voxels,
             float* to) {
  constexpr std::int64_t kRun = 4096;
  const std::int64_t runs = (voxels + kRun - 1) / kRun, blocks = (channels + kBlock - 1) / kBlock;
  at::parallel_for(0, blocks * runs, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i / runs * kBlock, start = i % runs * kRun, stop = std::min(voxels, start + kRun);
      for (std::int64_t c = first; c < std::min(channels, first + kBlock); ++c) {
        const float scale = affine.scale[static_cast<std::size_t>(c)],
                    shift = affine.shift[static_cast<std::size_t>(c)];
        for (std::int64_t v = start; v < stop; ++v) {
          const float value = scale * from[(first / kBlock * voxels + v) * kBlock + c - first] + shift;
          to[c * voxels + v] = value < 0 ? value * slope : value;
        }
      }
    }
  });
}

}  // namespace

std::vector<std::int64_t> output_shape(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                       const Convolution& how) {
  TORCH_CHECK(x.dim() == 5 && weight.dim() == 5, "oncotome: image and weight must have 5 axes, not ", x.dim(), " and ",
              weight.dim());
  const std::int64_t C = weight.size(how.transposed ? 0 : 1), K = weight.size(how.transposed ? 1 : 0);
  TORCH_CHECK(x.scalar_type() == weight.scalar_type() && x.device() == weight.device(),
              "oncotome: image and weight must have one type and device");
  TORCH_CHECK(x.size(axes::C) == C, "oncotome: the weight is for ", C, " channels, the image has ", x.size(axes::C));
  TORCH_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == K), "oncotome: the bias must have ", K, " values");
  std::vector<std::int64_t> shape{x.size(axes::N), K};
  for (std::size_t a = 0; a < 3; ++a) {
    const auto axis = static_cast<std::int64_t>(a) + axes::D;
    const std::int64_t stride = how.stride[a], padding = how.padding[a], dilation = how.dilation[a];
    TORCH_CHECK(stride > 0 && dilation > 0 && padding >= 0, "oncotome: stride, dilation or padding is out of range");
    const std::int64_t reach = dilation * (weight.size(axis) - 1) + 1;
    std::int64_t size = (x.size(axis) + 2 * padding - reach) / stride + 1;
    if (how.transposed) {
      const std::int64_t more = how.output_padding[a];
      TORCH_CHECK(more >= 0 && more < std::max(stride, dilation), "oncotome: output_padding is out of range");
      size = (x.size(axis) - 1) * stride - 2 * padding + reach + more;
    }
    TORCH_CHECK(size > 0 && (how.transposed || x.size(axis) + 2 * padding >= reach), "oncotome: an image of ",
                x.size(axis), " voxels is too small for the kernel along axis ", axis);
    shape.push_back(size);
  }
  return shape;
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Convolution& how,
                    const NormAct* after) {
  if (x.scalar_type() != at::kFloat || x.numel() == 0) return {};
  at::Tensor y = at::empty(output_shape(x, weight, bias, how), x.options().memory_format(at::MemoryFormat::Contiguous));
  const ConvShape shape = shape_of(x, y, weight, how);
  const kernels::ConvKernel* kernel = kernels::choose_conv_kernel(kernels::conv_kernels(nullptr), shape);
  if (kernel == nullptr) return {};

  const at::Tensor packed = aligned(static_cast<std::int64_t>(kernel->packed_bytes(shape)));
  kernel->pack(shape, floats(weight.contiguous()), packed.data_ptr());
  const std::int64_t scratch_bytes = (static_cast<std::int64_t>(kernel->scratch_bytes(shape)) + 63) / 64 * 64;
  const at::Tensor scratch = aligned(scratch_bytes * at::get_num_threads());
  const std::int64_t voxels = y.size(axes::D) * y.size(axes::H) * y.size(axes::W), tiles = kernel->tiles(shape);
  const std::int64_t K = y.size(axes::C), filled = shape.out_blocks() * kBlock;
  const at::Tensor raw = at::empty({filled * voxels}, x.options()), sources = blocked(x);
  const at::Tensor whole_bias = bias.defined() ? at::constant_pad_nd(bias, {0, filled - K}).contiguous() : bias;
  const at::Tensor sums = at::empty({after ? tiles : 0, 2, filled}, at::kDouble);

  for (std::int64_t n = 0; n < x.size(axes::N); ++n) {
    kernels::ConvArguments arguments;
    arguments.sources[0].data = sources[n].data_ptr();
    arguments.weights = packed.data_ptr();
    arguments.bias = bias.defined() ? floats(whole_bias) : nullptr;
    arguments.output = raw.data_ptr();
    arguments.statistics = after ? sums.data_ptr<double>() : nullptr;
    at::parallel_for(0, tiles, 1, [&](std::int64_t begin, std::int64_t end) {
      auto* own = static_cast<std::uint8_t*>(scratch.data_ptr()) + scratch_bytes * at::get_thread_num();
      for (std::int64_t tile = begin; tile < end; ++tile) kernel->run(shape, arguments, tile, own);
    });
    Affine affine(static_cast<std::size_t>(filled));
    if (after) affine.normalize(sums, *after, static_cast<double>(voxels), K);
    unblock(floats(raw), affine, after ? static_cast<float>(after->slope) : 1.0F, K, voxels, y[n].data_ptr<float>());
  }
  return y;
}

}  // namespace oncotome::torch_backend
