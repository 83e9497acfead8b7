// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "contestants.h"
#include "memory.h"
#include "oncotome/core/parallel.h"
#include "oncotome/kernels/bf16.h"

namespace oncotome::bench {
namespace {

using kernels::ConvArguments;
using kernels::ConvKernel;
using kernels::ConvShape;
using kernels::Element;
using kernels::kBlock;
using kernels::Layout;

std::int64_t voxels(const int extent[3]) { return std::int64_t{extent[0]} * extent[1] * extent[2]; }

class Convolution : public Contestant {
 public:
  Convolution(const ConvShape& shape, const ConvKernel& kernel, const Task& task, bool block, int threads)
      : shape_(shape), kernel_(kernel), tiles_(kernel.tiles(shape)) {
    packed_ = allocate(kernel.packed_bytes(shape));
    kernel.pack(shape, task.weights.at("weight").values.data(), packed_.get());
    arguments_.weights = packed_.get();
    const std::size_t bytes = is_bf16(shape.in_layout, shape.in_element) ? 2 : 4;
    std::int64_t first = 0;
    for (int s = 0; s < shape.source_count; ++s) {
      const int channels = shape.source_channels[s];
      sources_.push_back(
          allocate(static_cast<std::size_t>(stored(shape.in_layout, channels) * voxels(shape.in)) * bytes));
      fill(task.input.values.data() + first * voxels(shape.in), channels, sources_.back().get());
      arguments_.sources[s].data = sources_.back().get();
      first += channels;
    }
    output_bytes_ = is_bf16(shape.out_layout, shape.out_element) ? 2 : 4;
    output_ = allocate(static_cast<std::size_t>(stored(shape.out_layout, shape.out_channels) * voxels(shape.out)) *
                       output_bytes_);
    arguments_.output = output_.get();
    for (int t = 0; t < threads; ++t) scratch_.push_back(allocate(kernel.scratch_bytes(shape)));
    if (block) demand_block();
  }

  void run() override {
    parallel_for_workers(
        tiles_,
        [&](std::int64_t tile, std::size_t worker) { kernel_.run(shape_, arguments_, tile, scratch_[worker].get()); },
        static_cast<int>(scratch_.size()));
  }

  engine::Tensor output() override {
    engine::Tensor t({1, shape_.out_channels, shape_.out[0], shape_.out[1], shape_.out[2]});
    const std::int64_t count = voxels(shape_.out);
    for (std::int64_t c = 0, i = 0; c < shape_.out_channels; ++c)
      for (std::int64_t v = 0; v < count; ++v, ++i) {
        const auto at = static_cast<std::size_t>(place(shape_.out_layout, c, v, count));
        t.values[static_cast<std::size_t>(i)] =
            output_bytes_ == 2 ? kernels::f32_from_bf16(static_cast<const std::uint16_t*>(output_.get())[at])
                               : static_cast<const float*>(output_.get())[at];
      }
    return t;
  }

  std::string how() const override { return std::string(kernel_.name) + "__" + kernel_.isa; }

 private:
  static bool is_bf16(Layout layout, Element element) { return layout == Layout::blocked && element == Element::bf16; }
  static std::int64_t stored(Layout layout, int channels) {
    return layout == Layout::planar ? channels : (channels + kBlock - 1) / kBlock * kBlock;
  }
  static std::int64_t place(Layout layout, std::int64_t channel, std::int64_t voxel, std::int64_t count) {
    return layout == Layout::planar ? channel * count + voxel
                                    : (channel / kBlock * count + voxel) * kBlock + channel % kBlock;
  }

  void fill(const float* planes, int channels, void* to) const {
    const std::int64_t count = voxels(shape_.in);
    const bool short_ones = is_bf16(shape_.in_layout, shape_.in_element);
    parallel_for(0, stored(shape_.in_layout, channels), [&](std::int64_t c) {
      for (std::int64_t v = 0; v < count; ++v) {
        const float value = c < channels ? planes[c * count + v] : 0.0F;
        const auto at = static_cast<std::size_t>(place(shape_.in_layout, c, v, count));
        if (short_ones)
          static_cast<std::uint16_t*>(to)[at] = kernels::bf16_from_f32(value);
        else
          static_cast<float*>(to)[at] = value;
      }
    });
  }

  /// An affine map that changes nothing and LeakyReLU, which changes nothing of what is not negative.
  void demand_block() {
    scale_.assign(static_cast<std::size_t>(shape_.in_blocks()) * kBlock, 1);
    shift_.assign(scale_.size(), 0);
    statistics_.resize(static_cast<std::size_t>(tiles_ * 2 * shape_.out_blocks() * kBlock));
    for (int s = 0; s < shape_.source_count; ++s) {
      arguments_.sources[s].scale = scale_.data();
      arguments_.sources[s].shift = shift_.data();
      arguments_.sources[s].activation = kernels::Activation::leaky_relu;
      arguments_.sources[s].slope = 0.01F;
    }
    arguments_.statistics = statistics_.data();
  }

  const ConvShape shape_;
  const ConvKernel& kernel_;
  const std::int64_t tiles_;
  ConvArguments arguments_;
  Memory packed_, output_;
  std::size_t output_bytes_ = 4;
  std::vector<Memory> sources_, scratch_;
  std::vector<float> scale_, shift_;
  std::vector<double> statistics_;
};

}  // namespace

std::unique_ptr<Contestant> our_convolution(const ConvShape& wanted, const Task& task, const std::string& dtype,
                                            int threads) {
  ConvShape shape = wanted;
  const bool is_short = dtype == "bf16" || dtype == "int8";
  shape.in_element = shape.out_element = is_short ? Element::bf16 : Element::f32;
  shape.precision = dtype == "strict" ? kernels::Precision::strict
                    : dtype == "bf16" ? kernels::Precision::bf16
                    : dtype == "int8" ? kernels::Precision::int8
                                      : kernels::Precision::f32;
  const ConvKernel* kernel = kernels::choose_conv_kernel(kernels::conv_kernels(nullptr), shape);
  if (!kernel || std::strcmp(kernel->isa, "reference") == 0) return nullptr;
  const bool takes_no_block = dtype == "block" && shape.in_layout == Layout::planar;
  if (takes_no_block) return nullptr;
  return std::make_unique<Convolution>(shape, *kernel, task, dtype == "block", threads);
}

}  // namespace oncotome::bench
