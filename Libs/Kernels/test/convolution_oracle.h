// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "oncotome/kernels/convolution.h"

/// Convolutions of whole tensors in float64, [C][D][H][W], as they are defined.
namespace oncotome::kernels::oracle {

inline std::size_t volume(const int extent[3]) {
  return static_cast<std::size_t>(extent[0]) * static_cast<std::size_t>(extent[1]) *
         static_cast<std::size_t>(extent[2]);
}

inline double activate(double x, Activation activation, double slope) {
  if (activation == Activation::gelu) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  if (x >= 0 || activation == Activation::none) return x;
  if (activation == Activation::relu) return 0;
  return activation == Activation::elu ? std::exp(x) - 1 : slope * x;
}

inline float from_bf16(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/// Nearest, ties to even; of finite values.
inline std::uint16_t to_bf16(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/// Every product is added where it belongs: a convolution gathers, a transposed one scatters.
inline std::vector<double> convolve(const ConvShape& shape, const std::vector<double>& in,
                                    const std::vector<float>& weight) {
  const auto ins = static_cast<std::size_t>(shape.in_channels()), outs = static_cast<std::size_t>(shape.out_channels);
  const std::size_t taps = volume(shape.kernel), in_voxels = volume(shape.in), out_voxels = volume(shape.out);
  std::vector<double> out(outs * out_voxels);
  // `walked` are the voxels that step by one where those of the other side step by `stride`.
  const int *walked = shape.transposed ? shape.in : shape.out, *strided = shape.transposed ? shape.out : shape.in;
  for (int kz = 0, tap = 0; kz < shape.kernel[0]; ++kz)
    for (int ky = 0; ky < shape.kernel[1]; ++ky)
      for (int kx = 0; kx < shape.kernel[2]; ++kx, ++tap)
        for (int z = 0, voxel = 0; z < walked[0]; ++z)
          for (int y = 0; y < walked[1]; ++y)
            for (int x = 0; x < walked[2]; ++x, ++voxel) {
              const int sz = z * shape.stride[0] - shape.pad[0] + kz * shape.dilation[0];
              const int sy = y * shape.stride[1] - shape.pad[1] + ky * shape.dilation[1];
              const int sx = x * shape.stride[2] - shape.pad[2] + kx * shape.dilation[2];
              if (sz < 0 || sy < 0 || sx < 0 || sz >= strided[0] || sy >= strided[1] || sx >= strided[2]) continue;
              const auto one = static_cast<std::size_t>(voxel);
              const auto other = static_cast<std::size_t>(sz * strided[1] + sy) * static_cast<std::size_t>(strided[2]) +
                                 static_cast<std::size_t>(sx);
              const std::size_t from = shape.transposed ? one : other, to = shape.transposed ? other : one;
              for (std::size_t o = 0; o < outs; ++o) {
                double sum = 0;
                for (std::size_t c = 0; c < ins; ++c)
                  sum +=
                      in[c * in_voxels + from] * double{weight[(shape.transposed ? c * outs + o : o * ins + c) * taps +
                                                               static_cast<std::size_t>(tap)]};
                out[o * out_voxels + to] += sum;
              }
            }
  return out;
}

}  // namespace oncotome::kernels::oracle
