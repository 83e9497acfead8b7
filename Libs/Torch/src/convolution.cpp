// SPDX-License-Identifier: Apache-2.0
#include "convolution.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <list>
#include <mutex>

#include "oncotome/core/axes.h"
#include "oncotome/core/parallel.h"
#include "oncotome/kernels/convolution.h"

namespace oncotome::torch_backend {
namespace {

using kernels::ConvShape;
using kernels::kBlock;

at::Tensor aligned(std::int64_t bytes) { return at::empty({std::max<std::int64_t>(bytes, 64)}, at::kByte); }

// Calls f(block, first voxel, end) for runs of voxels that fit the first-level cache.
template <class F>
void for_runs(std::int64_t channels, std::int64_t voxels, F&& f) {
  constexpr std::int64_t kRun = 256;
  const std::int64_t runs = (voxels + kRun - 1) / kRun, blocks = (channels + kBlock - 1) / kBlock;
  parallel_for(
      0, blocks * runs, [&](std::int64_t i) { f(i / runs, i % runs * kRun, std::min(voxels, i % runs * kRun + kRun)); },
      at::get_num_threads());
}

// One sample, from planes to blocks.
void block(const float* from, std::int64_t channels, std::int64_t voxels, float* to) {
  for_runs(channels, voxels, [&](std::int64_t b, std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = b * kBlock; c < (b + 1) * kBlock; ++c) {
      float* out = to + b * kBlock * voxels + c - b * kBlock;
      for (std::int64_t v = begin; v < end; ++v) out[v * kBlock] = c < channels ? from[c * voxels + v] : 0.0F;
    }
  });
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
  for_runs(channels, voxels, [&](std::int64_t b, std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = b * kBlock; c < std::min(channels, (b + 1) * kBlock); ++c) {
      const float scale = affine.scale[static_cast<std::size_t>(c)], shift = affine.shift[static_cast<std::size_t>(c)];
      const float* in = from + b * kBlock * voxels + c - b * kBlock;
      for (std::int64_t v = begin; v < end; ++v) {
        const float value = scale * in[v * kBlock] + shift;
        to[c * voxels + v] = value < 0 ? value * slope : value;
      }
    }
  });
}

// Weights as they were packed for the last convolutions, found again by all that went into them.
class PackedWeights {
 public:
  at::Tensor get(const kernels::ConvKernel& kernel, const ConvShape& shape, const at::Tensor& weight) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(kept_.begin(), kept_.end(),
                                    [&](const Entry& e) { return e.kernel == &kernel && e.is_of(shape, weight); });
    if (found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return kept_.front().packed;
    }
    Entry entry{&kernel, shape, {floats(weight), floats(weight) + weight.numel()}, {}};
    entry.packed = aligned(static_cast<std::int64_t>(kernel.packed_bytes(shape)));
    kernel.pack(shape, floats(weight), entry.packed.data_ptr());
    kept_.push_front(std::move(entry));
    constexpr std::int64_t kMaxBytes = std::int64_t{1} << 29;
    for (bytes_ += kept_.front().bytes(); bytes_ > kMaxBytes && kept_.size() > 1; kept_.pop_back())
      bytes_ -= kept_.back().bytes();
    return kept_.front().packed;
  }

 private:
  struct Entry {
    const kernels::ConvKernel* kernel;
    ConvShape shape;
    std::vector<float> weight;
    at::Tensor packed;

    std::int64_t bytes() const { return packed.numel() + static_cast<std::int64_t>(weight.size() * sizeof(float)); }
    bool is_of(const ConvShape& other, const at::Tensor& values) const {
      const auto same = [](const auto& a, const auto& b) { return std::equal(std::begin(a), std::end(a), b); };
      return shape.transposed == other.transposed && shape.out_channels == other.out_channels &&
             same(shape.source_channels, other.source_channels) && same(shape.in, other.in) &&
             same(shape.out, other.out) && same(shape.kernel, other.kernel) && same(shape.stride, other.stride) &&
             same(shape.dilation, other.dilation) && same(shape.pad, other.pad) &&
             std::memcmp(weight.data(), floats(values), weight.size() * sizeof(float)) == 0;
    }
  };

  std::mutex mutex_;
  std::list<Entry> kept_;
  std::int64_t bytes_ = 0;
};

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
  // Its plain loops are for comparison; ATen is faster.
  if (kernel == nullptr || std::strcmp(kernel->isa, "reference") == 0) return {};

  static PackedWeights packed_weights;
  const at::Tensor packed = packed_weights.get(*kernel, shape, weight.contiguous());
  const std::size_t scratch_bytes = (kernel->scratch_bytes(shape) + 63) / 64 * 64;
  const at::Tensor scratch = aligned(static_cast<std::int64_t>(scratch_bytes) * at::get_num_threads());
  auto* const own = static_cast<std::uint8_t*>(scratch.data_ptr());
  const std::int64_t voxels = y.size(axes::D) * y.size(axes::H) * y.size(axes::W), tiles = kernel->tiles(shape);
  const std::int64_t K = y.size(axes::C), filled = shape.out_blocks() * kBlock;
  const std::int64_t C = x.size(axes::C), in_voxels = x.size(axes::D) * x.size(axes::H) * x.size(axes::W);
  const at::Tensor images = x.contiguous(), raw = at::empty({filled * voxels}, at::kFloat);
  const at::Tensor source = at::empty({shape.in_blocks() * kBlock * in_voxels}, at::kFloat);
  const at::Tensor whole_bias = bias.defined() ? at::constant_pad_nd(bias, {0, filled - K}).contiguous() : bias;
  const at::Tensor sums = at::empty({after ? tiles : 0, 2, filled}, at::kDouble);

  for (std::int64_t n = 0; n < x.size(axes::N); ++n) {
    kernels::ConvArguments arguments;
    block(floats(images) + n * C * in_voxels, C, in_voxels, source.data_ptr<float>());
    arguments.sources[0].data = source.data_ptr();
    arguments.weights = packed.data_ptr();
    arguments.bias = bias.defined() ? floats(whole_bias) : nullptr;
    arguments.output = raw.data_ptr();
    arguments.statistics = after ? sums.data_ptr<double>() : nullptr;
    // at::parallel_for is serial where OpenMP is not compiled in.
    parallel_for_workers(
        tiles,
        [&](std::int64_t tile, std::size_t worker) {
          kernel->run(shape, arguments, tile, own + scratch_bytes * worker);
        },
        at::get_num_threads());
    Affine affine(static_cast<std::size_t>(filled));
    if (after) affine.normalize(sums, *after, static_cast<double>(voxels), K);
    unblock(floats(raw), affine, after ? static_cast<float>(after->slope) : 1.0F, K, voxels,
            y.data_ptr<float>() + n * K * voxels);
  }
  return y;
}

}  // namespace oncotome::torch_backend
