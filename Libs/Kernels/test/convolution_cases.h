// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "oncotome/kernels/convolution.h"

namespace oncotome::kernels {

struct Geometry {
  const char* name;
  std::vector<int> sources;
  int out_channels;
  std::array<int, 3> in, kernel, stride = {1, 1, 1}, dilation = {1, 1, 1};
  bool transposed = false, planar_in = false, planar_out = false;
  std::array<int, 3> crop_end = {0, 0, 0};  ///< Of the result, beyond a padding of (kernel - 1) / 2.
};

struct Variant {
  Precision precision;
  bool bf16, affine;
  Activation load;
  bool bias, residual;
  Activation after;
  bool statistics;
};

inline const std::vector<Geometry> kGeometries = {
    {"k3", {32}, 32, {5, 7, 9}, {3, 3, 3}},
    {"k3_wide", {16}, 32, {3, 6, 33}, {3, 3, 3}},
    {"k3_odd_channels", {17}, 15, {4, 5, 6}, {3, 3, 3}},
    {"k3_two_sources", {15, 17}, 48, {3, 5, 7}, {3, 3, 3}},
    {"k3_few", {3}, 4, {4, 6, 13}, {3, 3, 3}},
    {"k3_small", {64}, 64, {4, 4, 4}, {3, 3, 3}},
    {"k3_least", {32}, 16, {2, 3, 2}, {3, 3, 3}},
    {"k3_grouped", {16}, 260, {4, 4, 4}, {3, 3, 3}},
    {"k133_long", {16}, 16, {51, 8, 16}, {1, 3, 3}},
    {"k3_single_slice", {16}, 16, {1, 9, 14}, {3, 3, 3}},
    {"k3_no_padding", {16}, 16, {5, 6, 20}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, false, false, false, {-2, -2, -2}},
    {"k133", {32}, 16, {3, 13, 33}, {1, 3, 3}},
    {"k311", {16}, 32, {6, 5, 4}, {3, 1, 1}},
    {"k1", {48}, 64, {2, 3, 31}, {1, 1, 1}},
    {"k1_two_sources", {1, 16}, 16, {2, 3, 5}, {1, 1, 1}},
    {"k5", {16}, 16, {5, 6, 7}, {5, 5, 5}},
    {"k7_stride_2", {3}, 64, {1, 13, 33}, {1, 7, 7}, {1, 2, 2}},
    {"k7_stride_2_planar", {3}, 64, {1, 13, 33}, {1, 7, 7}, {1, 2, 2}, {1, 1, 1}, false, true},
    {"k3_planar", {1}, 32, {5, 7, 19}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, false, true},
    {"k3_planar_4", {4}, 16, {3, 5, 40}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, false, true},
    {"k3_planar_5_stride_2", {5}, 20, {6, 5, 17}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, false, true},
    {"k1_planar_out", {32}, 3, {3, 5, 13}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, false, false, true},
    {"k1_planar_out_21", {33}, 21, {2, 3, 18}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, false, false, true},
    {"k3_planar_out", {16}, 2, {3, 4, 17}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, false, false, true},
    {"k3_planar_both", {2}, 2, {3, 4, 17}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, false, true, true},
    {"stride_2", {32}, 64, {6, 8, 10}, {3, 3, 3}, {2, 2, 2}},
    {"stride_2_odd", {16}, 32, {5, 7, 33}, {3, 3, 3}, {2, 2, 2}},
    {"stride_122", {17}, 16, {3, 13, 9}, {1, 3, 3}, {1, 2, 2}},
    {"k1_stride_2", {32}, 32, {1, 9, 12}, {1, 1, 1}, {1, 2, 2}},
    {"dilation_2", {16}, 16, {7, 6, 19}, {3, 3, 3}, {1, 1, 1}, {2, 2, 2}},
    {"dilation_16", {21}, 21, {18, 5, 20}, {3, 3, 3}, {1, 1, 1}, {16, 16, 16}},
    {"k3_many", {37, 48}, 90, {3, 4, 31}, {3, 3, 3}},
    {"k1_many", {80}, 33, {2, 3, 35}, {1, 1, 1}},
    {"stride_2_many", {49, 33}, 40, {5, 7, 29}, {3, 3, 3}, {2, 2, 2}},
    {"dilation_2_many", {64}, 16, {5, 6, 3}, {3, 3, 3}, {1, 1, 1}, {2, 2, 2}},
    {"up_k2", {64}, 32, {2, 3, 5}, {2, 2, 2}, {2, 2, 2}, {1, 1, 1}, true},
    {"up_k2_wide", {17}, 15, {2, 2, 33}, {2, 2, 2}, {2, 2, 2}, {1, 1, 1}, true},
    {"up_k122", {16}, 16, {3, 3, 7}, {1, 2, 2}, {1, 2, 2}, {1, 1, 1}, true},
    {"up_k3_cropped", {16}, 32, {3, 4, 9}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, true, false, false, {-1, -1, -1}},
    {"up_k3_one", {16}, 16, {3, 4, 9}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, true},
    {"up_k3_dilated", {16}, 33, {2, 3, 5}, {3, 3, 3}, {2, 2, 2}, {2, 1, 3}, true},
    {"up_k1_stride_2", {16}, 16, {2, 3, 5}, {1, 1, 1}, {2, 2, 2}, {1, 1, 1}, true},
    {"up_k4", {1, 15}, 3, {1, 4, 9}, {1, 4, 4}, {1, 2, 2}, {1, 1, 1}, true},
};

constexpr Variant kVariants[] = {
    {Precision::strict, false, false, Activation::none, false, false, Activation::none, false},
    {Precision::f32, false, true, Activation::leaky_relu, true, false, Activation::none, true},
    {Precision::f32, false, true, Activation::relu, true, true, Activation::relu, false},
    {Precision::f32, false, true, Activation::prelu, false, true, Activation::leaky_relu, true},
    {Precision::strict, false, true, Activation::elu, true, false, Activation::gelu, true},
    {Precision::f32, false, false, Activation::gelu, true, false, Activation::elu, false},
    {Precision::bf16, true, true, Activation::leaky_relu, true, true, Activation::relu, true},
    {Precision::bf16, true, false, Activation::none, true, false, Activation::gelu, false},
    {Precision::int8, true, true, Activation::leaky_relu, true, false, Activation::none, true},
    {Precision::int8, true, true, Activation::gelu, false, true, Activation::relu, true},
    {Precision::int8, true, false, Activation::prelu, true, false, Activation::elu, false},
};

constexpr double kTolerance[] = {1e-6, 2e-6, 7e-3, 3e-2};

}  // namespace oncotome::kernels
