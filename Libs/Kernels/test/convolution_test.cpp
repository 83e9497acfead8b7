// SPDX-License-Identifier: Apache-2.0
#include "oncotome/kernels/convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>

#include "convolution_cases.h"
#include "convolution_oracle.h"

namespace {

using namespace oncotome::kernels;
using oracle::volume;

/// Bytes between guards, aligned, that begin as values that are not numbers.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes) : bytes_(bytes), memory_(kGuard * 2 + bytes + 64, 0xFF) {
    const auto at = reinterpret_cast<std::uintptr_t>(memory_.data());
    begin_ = kGuard + (64 - at % 64) % 64;
  }
  template <class T = unsigned char>
  T* data() {
    return reinterpret_cast<T*>(memory_.data() + begin_);
  }
  std::vector<unsigned char> bytes() { return {data(), data() + bytes_}; }
  bool guards_are_whole() const {
    const auto poison = [](unsigned char byte) { return byte == 0xFF; };
    const auto begin = memory_.begin() + static_cast<std::ptrdiff_t>(begin_);
    return std::all_of(memory_.begin(), begin, poison) &&
           std::all_of(begin + static_cast<std::ptrdiff_t>(bytes_), memory_.end(), poison);
  }

 private:
  static constexpr std::size_t kGuard = 4096;
  std::size_t bytes_, begin_ = 0;
  std::vector<unsigned char> memory_;
};

ConvShape shape_of(const Geometry& geometry, const Variant& variant) {
  ConvShape shape;
  shape.transposed = geometry.transposed;
  shape.source_count = static_cast<int>(geometry.sources.size());
  std::copy(geometry.sources.begin(), geometry.sources.end(), shape.source_channels);
  shape.out_channels = geometry.out_channels;
  for (std::size_t a = 0; a < 3; ++a) {
    const int reach = (geometry.kernel[a] - 1) * geometry.dilation[a] + 1;
    shape.in[a] = geometry.in[a];
    shape.kernel[a] = geometry.kernel[a];
    shape.stride[a] = geometry.stride[a];
    shape.dilation[a] = geometry.dilation[a];
    // A negative end of 2 asks for no padding at all.
    shape.pad[a] = geometry.crop_end[a] == -2 || reach % 2 == 0 ? 0 : reach / 2;
    shape.out[a] = geometry.transposed ? (geometry.in[a] - 1) * geometry.stride[a] + reach - shape.pad[a]
                                       : (geometry.in[a] + 2 * shape.pad[a] - reach) / geometry.stride[a] + 1;
    if (geometry.transposed) shape.out[a] += geometry.crop_end[a];
  }
  shape.in_layout = geometry.planar_in ? Layout::planar : Layout::blocked;
  shape.out_layout = geometry.planar_out ? Layout::planar : Layout::blocked;
  shape.in_element = shape.out_element = variant.bf16 ? Element::bf16 : Element::f32;
  shape.precision = variant.precision;
  return shape;
}

/// A tensor of normal values as it is stored, and the values themselves, [C][voxels].
struct Tensor {
  std::vector<double> values;
  Guarded stored;
  bool half;

  Tensor(std::mt19937& random, int channels, std::size_t voxels, bool planar, bool bf16)
      : values(static_cast<std::size_t>(channels) * voxels), stored(stored_bytes(channels, voxels, planar, bf16)) {
    half = bf16 && !planar;
    std::memset(stored.data(), 0, stored_bytes(channels, voxels, planar, bf16));
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < values.size(); ++i) {
      float value = normal(random);
      if (half) value = oracle::from_bf16(oracle::to_bf16(value));
      values[i] = double{value};
      const std::size_t at = place(i / voxels, i % voxels, voxels, planar);
      if (half)
        stored.data<std::uint16_t>()[at] = oracle::to_bf16(value);
      else
        stored.data<float>()[at] = value;
    }
  }
  static std::size_t place(std::size_t channel, std::size_t voxel, std::size_t voxels, bool planar) {
    return planar ? channel * voxels + voxel : (channel / kBlock * voxels + voxel) * kBlock + channel % kBlock;
  }
  static std::size_t stored_bytes(int channels, std::size_t voxels, bool planar, bool bf16) {
    const int kept = planar ? channels : (channels + kBlock - 1) / kBlock * kBlock;
    return static_cast<std::size_t>(kept) * voxels * (bf16 && !planar ? 2 : 4);
  }
};

/// One convolution with its input, and what it must give.
class Problem {
 public:
  Problem(const Geometry& geometry, const Variant& variant) : shape(shape_of(geometry, variant)) {
    const std::size_t in_voxels = volume(shape.in), out_voxels = volume(shape.out);
    const auto outs = static_cast<std::size_t>(shape.out_channels);
    const std::size_t taps = volume(shape.kernel);
    std::vector<double> in;
    for (int s = 0; s < shape.source_count; ++s) add_source(variant, s, in_voxels, in);
    weight.resize(static_cast<std::size_t>(shape.in_channels()) * outs * taps);
    std::normal_distribution<float> normal;
    for (float& w : weight)
      w = normal(random_) / std::sqrt(static_cast<float>(weight.size()) / static_cast<float>(outs));
    raw = oracle::convolve(shape, in, weight);
    arguments.activation = variant.after;
    arguments.slope = 0.125F;
    if (variant.bias) {
      bias_ = per_channel(shape.out_channels, 1, 0);
      arguments.bias = bias_.data();
    }
    if (variant.residual) {
      residual = std::make_unique<Tensor>(random_, shape.out_channels, out_voxels, shape.out_layout == Layout::planar,
                                          shape.out_element == Element::bf16);
      arguments.residual = residual->stored.data();
    }
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (variant.bias) raw[i] += double{bias_[i / out_voxels]};
      if (variant.residual) raw[i] += residual->values[i];
      expected.push_back(oracle::activate(raw[i], variant.after, 0.125));
    }
  }

  ConvShape shape;
  ConvArguments arguments;
  std::vector<float> weight;
  std::vector<double> raw, expected;
  std::unique_ptr<Tensor> residual;

 private:
  std::vector<float> per_channel(int channels, float spread, float middle) {
    std::vector<float> values(static_cast<std::size_t>((channels + kBlock - 1) / kBlock * kBlock));
    std::uniform_real_distribution<float> uniform(middle - spread, middle + spread);
    for (int c = 0; c < channels; ++c) values[static_cast<std::size_t>(c)] = uniform(random_);
    return values;
  }

  void add_source(const Variant& variant, int s, std::size_t voxels, std::vector<double>& in) {
    const bool planar = shape.in_layout == Layout::planar;
    const int channels = shape.source_channels[s];
    tensors_.push_back(std::make_unique<Tensor>(random_, channels, voxels, planar, variant.bf16));
    Source& source = arguments.sources[s];
    source.data = tensors_.back()->stored.data();
    const std::vector<double>& values = tensors_.back()->values;
    if (planar) {
      in.insert(in.end(), values.begin(), values.end());
      return;
    }
    source.activation = variant.load;
    source.slope = 0.25F;
    for (std::vector<float>& per : weights_per_channel_[s]) per = per_channel(channels, 0.5F, 0.25F);
    if (variant.affine) {
      source.scale = weights_per_channel_[s][0].data();
      source.shift = weights_per_channel_[s][1].data();
    }
    source.slopes = weights_per_channel_[s][2].data();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t c = i / voxels;
      const double x = variant.affine ? values[i] * double{source.scale[c]} + double{source.shift[c]} : values[i];
      in.push_back(
          oracle::activate(x, variant.load, variant.load == Activation::prelu ? double{source.slopes[c]} : 0.25));
    }
  }

  std::mt19937 random_{11};
  std::vector<std::unique_ptr<Tensor>> tensors_;
  std::array<std::vector<float>, 3> weights_per_channel_[kMaxSources];
  std::vector<float> bias_;
};

/// What one kernel left.
struct Result {
  std::vector<unsigned char> output;
  std::vector<double> statistics;

  bool operator==(const Result& other) const { return output == other.output && statistics == other.statistics; }
};

class Runner {
 public:
  Runner(const ConvKernel& kernel, const Problem& problem)
      : kernel_(kernel), problem_(problem), packed_(kernel.packed_bytes(problem.shape)) {
    kernel_.pack(problem.shape, problem.weight.data(), packed_.data());
    EXPECT_TRUE(packed_.guards_are_whole());
    ConvShape larger = problem.shape;
    for (int a = 0; a < 3; ++a) larger.in[a] += larger.stride[a], larger.out[a] += 1;
    if (kernel_.declines(larger)) return;
    EXPECT_EQ(kernel_.packed_bytes(larger), kernel_.packed_bytes(problem.shape));
    Guarded again(kernel_.packed_bytes(larger));
    kernel_.pack(larger, problem.weight.data(), again.data());
    EXPECT_EQ(again.bytes(), packed_.bytes()) << "packed weights depend on the extent";
  }

  Result operator()(bool statistics, bool backwards, bool in_place) {
    const ConvShape& shape = problem_.shape;
    const std::size_t outs = static_cast<std::size_t>(shape.out_blocks()) * kBlock;
    const auto tiles = static_cast<std::size_t>(kernel_.tiles(shape));
    Guarded output(Tensor::stored_bytes(shape.out_channels, volume(shape.out), shape.out_layout == Layout::planar,
                                        shape.out_element == Element::bf16));
    Guarded sums(tiles * 2 * outs * sizeof(double));
    ConvArguments arguments = problem_.arguments;
    arguments.weights = packed_.data();
    arguments.output = output.data();
    if (statistics) arguments.statistics = sums.data<double>();
    if (in_place) {
      const std::vector<unsigned char> residual = problem_.residual->stored.bytes();
      std::copy(residual.begin(), residual.end(), output.data());
      arguments.residual = output.data();
    }
    for (std::size_t i = 0; i < tiles; ++i) {
      Guarded scratch(kernel_.scratch_bytes(shape));
      kernel_.run(shape, arguments, static_cast<std::int64_t>(backwards ? tiles - 1 - i : i), scratch.data());
      EXPECT_TRUE(scratch.guards_are_whole());
    }
    EXPECT_TRUE(output.guards_are_whole());
    EXPECT_TRUE(sums.guards_are_whole());
    Result result{output.bytes(), {}};
    if (!statistics) return result;
    result.statistics.resize(2 * outs);
    for (std::size_t i = 0; i < tiles * 2 * outs; ++i) result.statistics[i % (2 * outs)] += sums.data<double>()[i];
    return result;
  }

 private:
  const ConvKernel& kernel_;
  const Problem& problem_;
  Guarded packed_;
};

void expect_close(const Problem& problem, Result& result) {
  const ConvShape& shape = problem.shape;
  const std::size_t voxels = volume(shape.out), outs = static_cast<std::size_t>(shape.out_channels);
  const bool planar = shape.out_layout == Layout::planar, half = !planar && shape.out_element == Element::bf16;
  const double tolerance = kTolerance[static_cast<int>(shape.precision)];
  const std::size_t kept = planar ? outs : static_cast<std::size_t>(shape.out_blocks() * kBlock);
  double difference = 0, norm = 0, worst = 0;
  for (std::size_t c = 0; c < kept; ++c)
    for (std::size_t v = 0; v < voxels; ++v) {
      const std::size_t at = Tensor::place(c, v, voxels, planar);
      const double value = half ? double{oracle::from_bf16(reinterpret_cast<std::uint16_t*>(result.output.data())[at])}
                                : double{reinterpret_cast<float*>(result.output.data())[at]};
      if (c >= outs) {
        ASSERT_EQ(value, 0) << "a filler, channel " << c << ", voxel " << v;
        continue;
      }
      ASSERT_TRUE(std::isfinite(value)) << "channel " << c << ", voxel " << v;
      const double off = value - problem.expected[c * voxels + v];
      difference += off * off;
      worst = std::max(worst, std::abs(off));
      norm += problem.expected[c * voxels + v] * problem.expected[c * voxels + v];
    }
  EXPECT_LE(std::sqrt(difference / norm), tolerance);
  EXPECT_LE(worst, 12 * tolerance * std::max(1.0, std::sqrt(norm / static_cast<double>(problem.expected.size()))));
  if (result.statistics.empty()) return;
  for (std::size_t c = 0; c < result.statistics.size() / 2; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t v = 0; c < outs && v < voxels; ++v) {
      const double x = problem.raw[c * voxels + v];
      sum += x;
      squares += x * x;
    }
    EXPECT_NEAR(result.statistics[c], sum, tolerance * std::sqrt(squares * static_cast<double>(voxels))) << c;
    EXPECT_NEAR(result.statistics[result.statistics.size() / 2 + c], squares, 3 * tolerance * squares) << c;
  }
}

class EachConvolution : public testing::TestWithParam<std::size_t> {};

TEST_P(EachConvolution, Every_kernel_gives_what_the_definition_gives_and_touches_nothing_else) {
  const Geometry& geometry = kGeometries[GetParam()];
  int number = 0;
  for (const Variant& variant : kVariants) {
    const Problem problem(geometry, variant);
    for (const ConvKernel* const* kernel = conv_kernels(nullptr); *kernel; ++kernel) {
      if ((*kernel)->declines(problem.shape)) continue;
      SCOPED_TRACE(std::string((*kernel)->name) + " of " + (*kernel)->isa + ", variant " + std::to_string(number));
      Runner run(**kernel, problem);
      Result result = run(variant.statistics, false, false);
      expect_close(problem, result);
      EXPECT_TRUE(result == run(variant.statistics, false, variant.residual)) << "a second run";
      EXPECT_TRUE(result == run(variant.statistics, true, false)) << "tiles in reverse order";
    }
    ++number;
  }
}

INSTANTIATE_TEST_SUITE_P(Convolutions, EachConvolution, testing::Range(std::size_t{0}, kGeometries.size()),
                         [](const auto& geometry) { return std::string(kGeometries[geometry.param].name); });

TEST(ConvKernels, Each_set_adds_to_the_one_before_and_the_reference_is_last) {
  for (const char* isa : {"reference", "avx2", "avx512", "avx512vnni", "avx512bf16"}) {
    const ConvKernel* const* list = conv_kernels(isa);
    if (!*list) continue;
    ConvShape shape = shape_of(kGeometries[0], kVariants[0]);
    EXPECT_NE(choose_conv_kernel(list, shape), nullptr);
    while (list[1]) ++list;
    EXPECT_STREQ((*list)->isa, "reference");
  }
  EXPECT_STREQ((*conv_kernels("reference"))->isa, "reference");
  EXPECT_EQ(*conv_kernels("avx3"), nullptr);
  EXPECT_NE(*conv_kernels(nullptr), nullptr);
}

}  // namespace
