// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "multiply.h"
#include "rows.h"
#include "transform.h"

/// The functions of a ConvKernel by Winograd, for a Math that says what the products are made of.
namespace oncotome::kernels {
namespace {

/// How many pairs of a result and a tap along an axis do not lie in the padding.
inline int valid_taps(const ConvShape& shape, int axis) {
  int count = 0;
  for (int tap = 0; tap < shape.kernel[axis]; ++tap) {
    const int begin = most(0, shape.pad[axis] - tap);
    count += most(0, least(shape.out[axis], shape.in[axis] + shape.pad[axis] - tap) - begin);
  }
  return count;
}

/// Whether the products that are saved cost less than the more weights that are read: true of all but a few tiles.
inline bool gains_by_winograd(const ConvShape& shape) {
  constexpr int kWeightCost = 4;  // of a tap's or position's weights of two blocks, in products of one point
  const int depth = shape.kernel[0] == 3 ? 4 : 1, taps = shape.kernel[0] * 9;
  std::int64_t products = depth * 16, direct = 1;
  for (int axis = 0; axis < 3; ++axis) {
    products *= shape.kernel[axis] == 3 ? (shape.out[axis] + 1) / 2 : shape.out[axis];
    direct *= valid_taps(shape, axis);
  }
  // Direct sums leave filler channels out.
  const double real = static_cast<double>(shape.in_channels()) / (shape.in_blocks() * kBlock);
  return static_cast<double>(products + kWeightCost * depth * 16) <
         static_cast<double>(direct + kWeightCost * taps) * real;
}

inline const char* declines_winograd(const ConvShape& shape) {
  if (shape.precision == Precision::strict) return "strict sums are direct";
  if (shape.transposed) return "transposed";
  if (shape.in_layout != Layout::blocked || shape.out_layout != Layout::blocked) return "planar";
  for (int axis = 0; axis < 3; ++axis)
    if (shape.stride[axis] != 1 || shape.dilation[axis] != 1) return "stride or dilation";
  if ((shape.kernel[0] != 3 && shape.kernel[0] != 1) || shape.kernel[1] != 3 || shape.kernel[2] != 3)
    return "kernel is neither 3x3x3 nor 1x3x3";
  if (!gains_by_winograd(shape)) return "too few tiles or channels";
  return nullptr;
}

inline const char* declines_f32_winograd(const ConvShape& shape) {
  if (shape.in_element != Element::f32 || shape.out_element != Element::f32) return "not float32";
  return declines_winograd(shape);
}

inline std::size_t position_size(const ConvShape& shape) {
  return static_cast<std::size_t>(shape.in_blocks()) * shape.out_blocks() * kBlock * kBlock;
}

inline int passes(const ConvShape& shape) { return shape.kernel[0] == 3 ? 4 : 1; }

/// G along one axis: each 3 values that lie `inner` apart become 4.
inline void transform_axis(const double* in, int outer, int inner, double* out) {
  for (int o = 0; o < outer; ++o, in += 3 * inner, out += 4 * inner)
    for (int i = 0; i < inner; ++i) {
      const double ends = in[i] + in[2 * inner + i], middle = in[inner + i];
      out[i] = in[i];
      out[inner + i] = (ends + middle) / 2;
      out[2 * inner + i] = (ends - middle) / 2;
      out[3 * inner + i] = in[2 * inner + i];
    }
}

/// G g G' along the axes that the kernel has, of `count` kernels beside each other: [z][y][x] of 4 (1) x 4 x 4.
inline void transform_weights(const double* taps, int depth, int count, double* out) {
  double rows[36 * kPanel * kBlock], planes[48 * kPanel * kBlock];
  transform_axis(taps, depth * 3, count, rows);
  transform_axis(rows, depth, 4 * count, depth == 3 ? planes : out);
  if (depth == 3) transform_axis(planes, 1, 16 * count, out);
}

template <class Math>
std::size_t packed_winograd(const ConvShape& shape) {
  return passes(shape) * kPositions * position_size(shape) * sizeof(typename Math::Value);
}

/// To [position][panel of kPanel blocks of output channels][channels / kStep][output channel][kStep].
template <class Math>
void pack_winograd(const ConvShape& shape, const float* weight, void* packed) {
  constexpr int panel = kPanel * kBlock;
  auto* to = static_cast<typename Math::Value*>(packed);
  const std::size_t size = position_size(shape);
  const int volume = shape.kernel[0] * 9, positions = passes(shape) * kPositions;
  memset(packed, 0, positions * size * sizeof *to);
  int channel = 0, row = 0;
  for (int s = 0; s < shape.source_count; row += (-shape.source_channels[s] % kBlock + kBlock) % kBlock, ++s)
    for (int i = 0; i < shape.source_channels[s]; ++i, ++channel, ++row)
      for (int first = 0; first < shape.out_channels; first += panel) {
        const int width = least(panel, shape.out_blocks() * kBlock - first),
                  count = least(panel, shape.out_channels - first);
        const float* from = weight + (static_cast<std::size_t>(first) * shape.in_channels() + channel) * volume;
        double taps[27 * panel], u[4 * kPositions * panel];
        for (int o = 0; o < count; ++o)
          for (int t = 0; t < volume; ++t)
            taps[t * count + o] = from[static_cast<std::size_t>(o) * shape.in_channels() * volume + t];
        transform_weights(taps, shape.kernel[0], count, u);
        auto* at = to + static_cast<std::size_t>(first) * shape.in_blocks() * kBlock +
                   static_cast<std::size_t>(row / Math::kStep * width) * Math::kStep + row % Math::kStep;
        for (int f = 0; f < positions; ++f, at += size)
          for (int o = 0; o < count; ++o) at[o * Math::kStep] = Math::round(static_cast<float>(u[f * count + o]));
      }
}

inline std::int64_t tiles_winograd(const ConvShape& shape) {
  const Geometry geometry(shape);
  return static_cast<std::int64_t>(geometry.runs) * geometry.groups;
}

template <class Math>
std::size_t scratch_winograd(const ConvShape& shape) {
  const Geometry geometry(shape);
  return kPositions * (geometry.values * sizeof(typename Math::Value) + geometry.products * sizeof(float)) +
         (geometry.patch + geometry.sums) * sizeof(float);
}

/// One box's sums, complete, from its patch.
template <class Math, int kPass>
void run_pass(const Box& box, const typename Math::Value* weights, std::size_t position_weights,
              const Scratch& scratch) {
  using Value = typename Math::Value;
  Value* values = static_cast<Value*>(scratch.values);
  transform_in<Math, kPass>(box, scratch.patch, values, scratch.value_stride);
  const Value* u = weights + kPass * (kPass > 0) * kPositions * position_weights;
  for (int f = 0; f < kPositions; ++f)
    multiply<Math>(box, values + f * scratch.value_stride, u + f * position_weights,
                   scratch.products + f * scratch.product_stride);
  transform_out<kPass>(box, scratch.products, scratch.product_stride, scratch.sums);
}

template <class Math>
void run_winograd(const ConvShape& shape, const ConvArguments& arguments, std::int64_t tile, void* memory) {
  using Value = typename Math::Value;
  const Geometry geometry(shape);
  Scratch scratch;
  scratch.value_stride = geometry.values;
  scratch.product_stride = geometry.products;
  scratch.patch = static_cast<float*>(memory);
  scratch.sums = scratch.patch + geometry.patch;
  scratch.products = scratch.sums + geometry.sums;
  scratch.values = scratch.products + kPositions * geometry.products;
  const std::size_t size = position_size(shape), channels = static_cast<std::size_t>(shape.out_blocks()) * kBlock;
  const int group = static_cast<int>(tile % geometry.groups),
            begin = static_cast<int>(tile / geometry.groups) * geometry.run;
  const Value* weights = static_cast<const Value*>(arguments.weights) +
                         static_cast<std::size_t>(group) * geometry.group * kBlock * shape.in_blocks() * kBlock;
  double* statistics = arguments.statistics ? arguments.statistics + tile * 2 * channels : nullptr;
  if (statistics) memset(statistics, 0, 2 * channels * sizeof *statistics);
  const int end = least(begin + geometry.run, geometry.box_count());
  for (int index = begin; index < end; ++index) {
    const Box box(shape, geometry, index, group);
    load_patch(shape, box, arguments, scratch.patch);
    if (index + 1 < end) ask_for_patch(shape, Box(shape, geometry, index + 1, group), arguments);
    ask_for_output(shape, box, arguments);
    if (geometry.depth == 1) {
      run_pass<Math, -1>(box, weights, size, scratch);
    } else {
      run_pass<Math, 0>(box, weights, size, scratch);
      run_pass<Math, 1>(box, weights, size, scratch);
      run_pass<Math, 2>(box, weights, size, scratch);
      run_pass<Math, 3>(box, weights, size, scratch);
    }
    store_box<Math>(shape, box, arguments, statistics, scratch.sums);
  }
}

}  // namespace
}  // namespace oncotome::kernels
