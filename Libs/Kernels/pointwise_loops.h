// SPDX-License-Identifier: Apache-2.0
// The loops of pointwise.h, compiled once per instruction set; of internal linkage, so that no set's code serves
// another.
#include <math.h>
#include <string.h>

#include "oncotome/kernels/pointwise.h"

namespace oncotome::kernels {
namespace {

constexpr size_t kChunk = 16;  ///< Voxels that stay in the first cache between the steps.
constexpr size_t kLanes = kChunk * kBlock;

void load(const void* data, Element element, size_t voxel, size_t n, float* to) {
  if (element == Element::f32) {
    memcpy(to, static_cast<const float*>(data) + voxel * kBlock, n * kBlock * sizeof(float));
    return;
  }
  const auto* from = static_cast<const uint16_t*>(data) + voxel * kBlock;
  for (size_t i = 0; i < n * kBlock; ++i) {
    const uint32_t bits = static_cast<uint32_t>(from[i]) << 16;
    memcpy(to + i, &bits, sizeof bits);
  }
}

// To bfloat16 to nearest, ties to even; what is no number stays so.
void store(const float* from, Element element, size_t voxel, size_t n, void* data) {
  if (element == Element::f32) {
    memcpy(static_cast<float*>(data) + voxel * kBlock, from, n * kBlock * sizeof(float));
    return;
  }
  auto* to = static_cast<uint16_t*>(data) + voxel * kBlock;
  for (size_t i = 0; i < n * kBlock; ++i) {
    uint32_t bits;
    memcpy(&bits, from + i, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    to[i] = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
  }
}

void activate(Activation activation, float slope, const float* slopes, float* v, size_t n) {
  n *= kBlock;
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      for (size_t i = 0; i < n; ++i) v[i] = v[i] < 0 ? 0 : v[i];
      break;
    case Activation::leaky_relu:
      for (size_t i = 0; i < n; ++i) v[i] = v[i] < 0 ? v[i] * slope : v[i];
      break;
    case Activation::prelu:
      for (size_t i = 0; i < n; i += kBlock)
        for (size_t l = 0; l < kBlock; ++l) v[i + l] = v[i + l] < 0 ? v[i + l] * slopes[l] : v[i + l];
      break;
    case Activation::elu:
      for (size_t i = 0; i < n; ++i) v[i] = v[i] < 0 ? expm1f(v[i]) : v[i];
      break;
    case Activation::gelu:
      for (size_t i = 0; i < n; ++i) v[i] = 0.5F * v[i] * (1 + erff(v[i] * 0.70710678F));
      break;
  }
}

void load(const Source& source, Element element, size_t voxel, size_t n, float* to) {
  load(source.data, element, voxel, n, to);
  if (source.scale)
    for (size_t i = 0; i < n * kBlock; i += kBlock)
      for (size_t l = 0; l < kBlock; ++l) to[i + l] = to[i + l] * source.scale[l] + source.shift[l];
  activate(source.activation, source.slope, source.slopes, to, n);
}

void combine(const Source& a, const Source& b, Element element, Activation activation, float slope, void* output,
             double* statistics, size_t n) {
  alignas(64) float sum[kLanes], other[kLanes];
  alignas(64) double total[2][kBlock] = {};
  for (size_t at = 0; at < n; at += kChunk) {
    const size_t count = n - at < kChunk ? n - at : kChunk;
    load(a, element, at, count, sum);
    if (b.data) {
      load(b, element, at, count, other);
      for (size_t i = 0; i < count * kBlock; ++i) sum[i] += other[i];
    }
    if (statistics) {
      alignas(64) float part[2][kBlock] = {};
      for (size_t i = 0; i < count * kBlock; i += kBlock)
        for (size_t l = 0; l < kBlock; ++l) {
          part[0][l] += sum[i + l];
          part[1][l] += sum[i + l] * sum[i + l];
        }
      for (size_t k = 0; k < 2; ++k)
        for (size_t l = 0; l < kBlock; ++l) total[k][l] += static_cast<double>(part[k][l]);
    }
    if (!output) continue;
    activate(activation, slope, nullptr, sum, count);
    store(sum, element, at, count, output);
  }
  if (statistics) memcpy(statistics, total, sizeof total);
}

void block(const float* const planes[kBlock], Element element, void* output, size_t n) {
  alignas(64) float lanes[kLanes];
  for (size_t at = 0; at < n; at += kChunk) {
    const size_t count = n - at < kChunk ? n - at : kChunk;
    for (size_t l = 0; l < kBlock; ++l)
      for (size_t i = 0; i < count; ++i) lanes[i * kBlock + l] = planes[l] ? planes[l][at + i] : 0;
    store(lanes, element, at, count, output);
  }
}

void unblock(const Source& source, Element element, float* const planes[kBlock], size_t n) {
  alignas(64) float lanes[kLanes];
  for (size_t at = 0; at < n; at += kChunk) {
    const size_t count = n - at < kChunk ? n - at : kChunk;
    load(source, element, at, count, lanes);
    for (size_t l = 0; l < kBlock; ++l)
      if (planes[l])
        for (size_t i = 0; i < count; ++i) planes[l][at + i] = lanes[i * kBlock + l];
  }
}

void pool(const Source& source, Element element, const PoolShape& s, int z, void* output) {
  const int taps = s.kernel[0] * s.kernel[1] * s.kernel[2];
  for (int y = 0; y < s.out[1]; ++y)
    for (int x = 0; x < s.out[2]; ++x) {
      alignas(64) float result[kBlock], voxel[kBlock];
      for (float& v : result) v = s.maximum ? -INFINITY : 0;
      for (int k = 0; k < taps; ++k) {
        const int iz = z * s.stride[0] - s.pad[0] + k / (s.kernel[1] * s.kernel[2]);
        const int iy = y * s.stride[1] - s.pad[1] + k / s.kernel[2] % s.kernel[1];
        const int ix = x * s.stride[2] - s.pad[2] + k % s.kernel[2];
        if (iz < 0 || iy < 0 || ix < 0 || iz >= s.in[0] || iy >= s.in[1] || ix >= s.in[2]) continue;
        load(source, element, (static_cast<size_t>(iz) * s.in[1] + iy) * s.in[2] + ix, 1, voxel);
        for (size_t l = 0; l < kBlock; ++l)
          result[l] =
              s.maximum ? (voxel[l] > result[l] || voxel[l] != voxel[l] ? voxel[l] : result[l]) : result[l] + voxel[l];
      }
      if (!s.maximum)
        for (float& v : result) v /= static_cast<float>(taps);
      store(result, element, static_cast<size_t>(y) * s.out[2] + x, 1, output);
    }
}

struct Between {
  int low, high;
  float part;
};

Between between(int out, int in, int factor) {
  const float at = (static_cast<float>(out) + 0.5F) / static_cast<float>(factor) - 0.5F;
  const float from = at < 0 ? 0 : at;
  const int low = static_cast<int>(from) < in ? static_cast<int>(from) : in - 1;
  return {low, low + 1 < in ? low + 1 : low, from - static_cast<float>(low)};
}

void mix(float* a, const float* b, float part) {
  for (size_t l = 0; l < kBlock; ++l) a[l] = a[l] * (1 - part) + b[l] * part;
}

void upsample(const Source& source, Element element, const int in[3], const int factor[3], int z, void* output) {
  const Between bz = between(z, in[0], factor[0]);
  const int H = in[1] * factor[1], W = in[2] * factor[2];
  for (int y = 0; y < H; ++y) {
    const Between by = between(y, in[1], factor[1]);
    // A column of the low grid, between its slices and rows.
    const auto column = [&](int x, float* to) {
      alignas(64) float corner[3][kBlock];
      const auto at = [&](int iz, int iy) { return (static_cast<size_t>(iz) * in[1] + iy) * in[2] + x; };
      load(source, element, at(bz.low, by.low), 1, to);
      load(source, element, at(bz.low, by.high), 1, corner[0]);
      load(source, element, at(bz.high, by.low), 1, corner[1]);
      load(source, element, at(bz.high, by.high), 1, corner[2]);
      mix(to, corner[0], by.part);
      mix(corner[1], corner[2], by.part);
      mix(to, corner[1], bz.part);
    };
    alignas(64) float columns[2][kBlock];
    int known = -1;
    for (int x = 0; x < W; ++x) {
      const Between bx = between(x, in[2], factor[2]);
      if (bx.low != known) {
        column(bx.low, columns[0]);
        column(bx.high, columns[1]);
        known = bx.low;
      }
      alignas(64) float value[kBlock];
      memcpy(value, columns[0], sizeof value);
      mix(value, columns[1], bx.part);
      store(value, element, static_cast<size_t>(y) * W + x, 1, output);
    }
  }
}

void softmax(const float* in, float* output, size_t stride, int channels, size_t n) {
  for (size_t at = 0; at < n; at += kLanes) {
    const size_t count = n - at < kLanes ? n - at : kLanes;
    float greatest[kLanes], sum[kLanes] = {};
    memcpy(greatest, in + at, count * sizeof(float));
    const auto row = [&](auto* data, int c) { return data + static_cast<size_t>(c) * stride + at; };
    for (int c = 1; c < channels; ++c)
      for (size_t i = 0; i < count; ++i) greatest[i] = row(in, c)[i] > greatest[i] ? row(in, c)[i] : greatest[i];
    for (int c = 0; c < channels; ++c)
      for (size_t i = 0; i < count; ++i) sum[i] += row(output, c)[i] = expf(row(in, c)[i] - greatest[i]);
    for (int c = 0; c < channels; ++c)
      for (size_t i = 0; i < count; ++i) row(output, c)[i] /= sum[i];
  }
}

}  // namespace
}  // namespace oncotome::kernels
