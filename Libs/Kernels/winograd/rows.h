// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string.h>

#include "../values.h"
#include "box.h"

/// What a Winograd convolution reads and writes: rows of 16 channels, with all that is done to them on the way.
namespace oncotome::kernels {
namespace {

/// Writes `count` columns of 16 channels, of which `load(i)` gives the stored ones.
template <class Load>
void load_row(Load load, int count, const Reader& reader, bool plain, float* to) {
  if (plain) {
    for (int i = 0; i < count; ++i) store_lanes(to + i * kBlock, load(i));
  } else if (is_slow(reader.activation)) {
    for (int i = 0; i < count; ++i) store_lanes(to + i * kBlock, reader.slow(load(i)));
  } else {
    for (int i = 0; i < count; ++i) store_lanes(to + i * kBlock, reader.fast(load(i)));
  }
}

inline void zero_row(float* to, int count) {
  for (int i = 0; i < count; ++i) store_lanes(to + i * kBlock, Lanes{});
}

/// One block of a source into its part of the patch, zeros where the input ends.
inline void load_block(const ConvShape& shape, const Box& box, const Source& source, int block, float* to) {
  const std::size_t plane = static_cast<std::size_t>(shape.in[1]) * shape.in[2];
  const bool plain = !source.scale && source.activation == Activation::none;
  const Reader reader(source, block * kBlock);
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
        load_row([from](int i) { return load_lanes(from + i * kBlock); }, count, reader, plain, to + left * kBlock);
      } else {
        const std::uint16_t* from = static_cast<const std::uint16_t*>(source.data) + at;
        load_row([from](int i) { return load_bf16(from + i * kBlock); }, count, reader, plain, to + left * kBlock);
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

/// Asks for a part of a tensor long before it is read or written, as far as it lies within it. Inlined, for GCC drops
/// calls of functions that do nothing but ask.
template <bool kWrite>
__attribute__((always_inline)) inline void ask_for(const void* data, Element element, int blocks, const int* size,
                                                   const int* from, const int* extent) {
  const int bytes = kBlock * (element == Element::f32 ? 4 : 2);
  int begin[3], end[3];
  for (int axis = 0; axis < 3; ++axis) {
    begin[axis] = most(0, from[axis]);
    end[axis] = least(size[axis], from[axis] + extent[axis]);
  }
  for (int block = 0; block < blocks; ++block)
    for (int z = begin[0]; z < end[0]; ++z)
      for (int y = begin[1]; y < end[1]; ++y) {
        const std::size_t row = (block * static_cast<std::size_t>(size[0]) + z) * size[1] + y;
        const char* at = static_cast<const char*>(data) + (row * size[2] + begin[2]) * bytes;
        for (const char* stop = at + (end[2] - begin[2]) * bytes; at < stop; at += 64)
          __builtin_prefetch(at, kWrite ? 1 : 0, kWrite ? 3 : 2);
      }
}

__attribute__((always_inline)) inline void ask_for_patch(const ConvShape& shape, const Box& box,
                                                         const ConvArguments& arguments) {
  int begin[3];
  for (int axis = 0; axis < 3; ++axis) begin[axis] = box.out_begin[axis] - shape.pad[axis];
  for (int s = 0; s < shape.source_count; ++s)
    ask_for<false>(arguments.sources[s].data, shape.in_element, (shape.source_channels[s] + kBlock - 1) / kBlock,
                   shape.in, begin, box.patch);
}

__attribute__((always_inline)) inline void ask_for_output(const ConvShape& shape, const Box& box,
                                                          const ConvArguments& arguments) {
  const std::size_t block = static_cast<std::size_t>(shape.out[0]) * shape.out[1] * shape.out[2] * kBlock;
  const std::size_t skipped = box.first_block * block * (shape.out_element == Element::f32 ? 4 : 2);
  ask_for<true>(static_cast<const char*>(arguments.output) + skipped, shape.out_element, box.out_blocks, shape.out,
                box.out_begin, box.out_size);
}

struct Moments {
  double sum[kBlock] = {}, square[kBlock] = {};
};

/// One row of results: bias and residual added, summed for the statistics, activated and stored.
template <class Math, bool kResidual, bool kSums>
void store_row(const float* from, int count, Lanes bias, Activation activation, Lanes slope, const void* residual,
               void* to, std::size_t at, Element element, Moments* moments) {
  Lanes sum = {}, square = {};
  for (int i = 0; i < count; ++i, at += kBlock) {
    Lanes value = load_lanes(from + i * kBlock) + bias;
    if (kResidual) value = value + Math::load(residual, at, element);
    if (kSums) {
      sum = sum + value;
      square = multiply_add(value, value, square);
    }
    value = is_slow(activation) ? activate_slowly(activation, value) : activate_slope(value, slope);
    Math::store(value, to, at, element);
  }
  if (kSums) {
    add_to_doubles(moments->sum, sum);
    add_to_doubles(moments->square, square);
  }
}

template <class Math>
void store_box(const ConvShape& shape, const Box& box, const ConvArguments& arguments, double* statistics,
               const float* sums) {
  const std::size_t channels = static_cast<std::size_t>(shape.out_blocks()) * kBlock;
  const int planes = box.tiles[0] * (shape.kernel[0] == 3 ? 2 : 1), rows = 2 * box.tiles[1], row = 2 * box.tiles[2];
  const Lanes slope = spread_lanes(slope_of(arguments.activation, arguments.slope));
  const auto store = arguments.residual ? (statistics ? store_row<Math, true, true> : store_row<Math, true, false>)
                                        : (statistics ? store_row<Math, false, true> : store_row<Math, false, false>);
  for (int b = 0; b < box.out_blocks; ++b, sums += static_cast<std::size_t>(planes) * rows * row * kBlock) {
    const int block = box.first_block + b;
    const Lanes bias = arguments.bias ? load_lanes(arguments.bias + block * kBlock) : Lanes{};
    Moments moments;
    for (int z = 0; z < box.out_size[0]; ++z)
      for (int y = 0; y < box.out_size[1]; ++y) {
        const std::size_t plane = block * static_cast<std::size_t>(shape.out[0]) + box.out_begin[0] + z;
        const std::size_t at =
            ((plane * shape.out[1] + box.out_begin[1] + y) * shape.out[2] + box.out_begin[2]) * kBlock;
        store(sums + (static_cast<std::size_t>(z) * rows + y) * row * kBlock, box.out_size[2], bias,
              arguments.activation, slope, arguments.residual, arguments.output, at, shape.out_element, &moments);
      }
    if (!statistics) continue;
    double *sum = statistics + block * kBlock, *square = sum + channels;
    for (int i = 0; i < kBlock; ++i) {
      sum[i] += moments.sum[i];
      square[i] += moments.square[i];
    }
  }
}

}  // namespace
}  // namespace oncotome::kernels
