// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "winograd_box.h"

/// What a Winograd convolution reads and writes: rows of 16 channels, with all that is done to them on the way.
namespace oncotome::kernels {
namespace {

inline __m512 from_bf16(const std::uint16_t* at) {
  const __m256i half = _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/// The kinds that have no instruction, one value after another.
__attribute__((noinline)) static __m512 activate_slowly(__m512 value, Activation activation) {
  alignas(64) float lanes[kBlock];
  _mm512_store_ps(lanes, value);
  for (float& x : lanes)
    x = activation == Activation::gelu ? 0.5F * x * (1 + erff(x * 0.70710678F)) : (x > 0 ? x : expm1f(x));
  return _mm512_load_ps(lanes);
}

/// Activation of one block of channels; none, relu, leaky_relu and prelu are a factor for negative values.
struct Activate {
  Activation kind;
  __m512 slope;

  Activate(Activation activation, float leak, const float* slopes) : kind(activation) {
    slope = _mm512_set1_ps(activation == Activation::none ? 1 : activation == Activation::relu ? 0 : leak);
    if (activation == Activation::prelu) slope = _mm512_loadu_ps(slopes);
  }
  bool slow() const { return kind == Activation::elu || kind == Activation::gelu; }
  __m512 fast(__m512 value) const {
    const __mmask16 negative = _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_LT_OQ);
    return _mm512_mask_mul_ps(value, negative, value, slope);
  }
};

/// Writes `count` columns of 16 channels; `from` is of the element that Load reads.
template <class Load>
void load_row(Load load, int count, __m512 scale, __m512 shift, const Activate& activate, bool plain, float* to) {
  if (plain) {
    for (int i = 0; i < count; ++i) _mm512_store_ps(to + i * kBlock, load(i));
    return;
  }
  if (activate.slow()) {
    for (int i = 0; i < count; ++i) {
      const __m512 value = _mm512_fmadd_ps(load(i), scale, shift);
      _mm512_store_ps(to + i * kBlock, activate_slowly(value, activate.kind));
    }
    return;
  }
  for (int i = 0; i < count; ++i)
    _mm512_store_ps(to + i * kBlock, activate.fast(_mm512_fmadd_ps(load(i), scale, shift)));
}

inline void zero_row(float* to, int count) {
  for (int i = 0; i < count; ++i) _mm512_store_ps(to + i * kBlock, _mm512_setzero_ps());
}

/// One block of a source into its part of the patch, zeros where the input ends.
inline void load_block(const ConvShape& shape, const Box& box, const Source& source, int block, float* to) {
  const std::size_t plane = static_cast<std::size_t>(shape.in[1]) * shape.in[2];
  const bool plain = !source.scale && source.activation == Activation::none;
  const __m512 scale = source.scale ? _mm512_loadu_ps(source.scale + block * kBlock) : _mm512_set1_ps(1);
  const __m512 shift = source.scale ? _mm512_loadu_ps(source.shift + block * kBlock) : _mm512_setzero_ps();
  const Activate activate(source.activation, source.slope, source.slopes ? source.slopes + block * kBlock : nullptr);
  const int begin = box.out_begin[2] - shape.pad[2];
  const int left = least(most(0, -begin), box.patch[2]);
  const int count = most(0, least(box.patch[2], shape.in[2] - begin) - left);
  for (int z = 0; z < box.patch[0]; ++z)
    for (int y = 0; y < box.patch[1]; ++y, to += box.patch[2] * kBlock) {
      const int iz = box.out_begin[0] - shape.pad[0] + z, iy = box.out_begin[1] - shape.pad[1] + y;
      if (iz < 0 || iz >= shape.in[0] || iy < 0 || iy >= shape.in[1]) {
        zero_row(to, box.patch[2]);
        continue;
      }
      const std::size_t at = ((block * static_cast<std::size_t>(shape.in[0]) + iz) * plane +
                              static_cast<std::size_t>(iy) * shape.in[2] + begin + left) *
                             kBlock;
      zero_row(to, left);
      if (shape.in_element == Element::f32) {
        const float* from = static_cast<const float*>(source.data) + at;
        load_row([from](int i) { return _mm512_load_ps(from + i * kBlock); }, count, scale, shift, activate, plain,
                 to + left * kBlock);
      } else {
        const std::uint16_t* from = static_cast<const std::uint16_t*>(source.data) + at;
        load_row([from](int i) { return from_bf16(from + i * kBlock); }, count, scale, shift, activate, plain,
                 to + left * kBlock);
      }
      zero_row(to + (left + count) * kBlock, box.patch[2] - left - count);
    }
}

inline void load_patch(const ConvShape& shape, const Box& box, const ConvArguments& arguments, float* patch) {
  const std::size_t size = static_cast<std::size_t>(box.patch[0]) * box.patch[1] * box.patch[2] * kBlock;
  for (int s = 0; s < shape.source_count; ++s)
    for (int block = 0; block * kBlock < shape.source_channels[s]; ++block, patch += size)
      load_block(shape, box, arguments.sources[s], block, patch);
}

struct Moments {
  __m512d sum[2], square[2];

  Moments() { sum[0] = sum[1] = square[0] = square[1] = _mm512_setzero_pd(); }
  static void add(__m512 value, __m512d* to) {
    to[0] = _mm512_add_pd(to[0], _mm512_cvtps_pd(_mm512_castps512_ps256(value)));
    to[1] = _mm512_add_pd(to[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps(value, 1)));
  }
};

/// One row of results: bias and residual added, summed for the statistics, activated and stored.
template <class Math, bool kResidual, bool kSums>
void store_row(const float* from, int count, __m512 bias, const Activate& activate, const void* residual, void* to,
               std::size_t at, Element element, Moments* moments) {
  __m512 sum = _mm512_setzero_ps(), square = _mm512_setzero_ps();
  for (int i = 0; i < count; ++i, at += kBlock) {
    __m512 value = _mm512_add_ps(_mm512_load_ps(from + i * kBlock), bias);
    if (kResidual) value = _mm512_add_ps(value, Math::load(residual, at, element));
    if (kSums) {
      sum = _mm512_add_ps(sum, value);
      square = _mm512_fmadd_ps(value, value, square);
    }
    value = activate.slow() ? activate_slowly(value, activate.kind) : activate.fast(value);
    Math::store(value, to, at, element);
  }
  if (kSums) {
    Moments::add(sum, moments->sum);
    Moments::add(square, moments->square);
  }
}

template <class Math>
void store_box(const ConvShape& shape, const Box& box, const ConvArguments& arguments, std::int64_t tile,
               const float* sums) {
  const std::size_t channels = static_cast<std::size_t>(shape.out_blocks()) * kBlock;
  double* statistics = arguments.statistics ? arguments.statistics + tile * 2 * channels : nullptr;
  if (statistics) memset(statistics, 0, 2 * channels * sizeof *statistics);
  const int planes = box.tiles[0] * (shape.kernel[0] == 3 ? 2 : 1), rows = 2 * box.tiles[1], row = 2 * box.tiles[2];
  const Activate activate(arguments.activation, arguments.slope, nullptr);
  const auto store = arguments.residual ? (statistics ? store_row<Math, true, true> : store_row<Math, true, false>)
                                        : (statistics ? store_row<Math, false, true> : store_row<Math, false, false>);
  for (int b = 0; b < box.out_blocks; ++b, sums += static_cast<std::size_t>(planes) * rows * row * kBlock) {
    const int block = box.first_block + b;
    const __m512 bias = arguments.bias ? _mm512_loadu_ps(arguments.bias + block * kBlock) : _mm512_setzero_ps();
    Moments moments;
    for (int z = 0; z < box.out_size[0]; ++z)
      for (int y = 0; y < box.out_size[1]; ++y) {
        const std::size_t plane = block * static_cast<std::size_t>(shape.out[0]) + box.out_begin[0] + z;
        const std::size_t at =
            ((plane * shape.out[1] + box.out_begin[1] + y) * shape.out[2] + box.out_begin[2]) * kBlock;
        store(sums + (static_cast<std::size_t>(z) * rows + y) * row * kBlock, box.out_size[2], bias, activate,
              arguments.residual, arguments.output, at, shape.out_element, &moments);
      }
    if (!statistics) continue;
    for (int half = 0; half < 2; ++half) {
      _mm512_storeu_pd(statistics + block * kBlock + 8 * half, moments.sum[half]);
      _mm512_storeu_pd(statistics + channels + block * kBlock + 8 * half, moments.square[half]);
    }
  }
}

}  // namespace
}  // namespace oncotome::kernels
