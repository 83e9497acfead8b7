// SPDX-License-Identifier: Apache-2.0
#include "oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "oncotome/core/parallel.h"

namespace oncotome::bench {
namespace {

using kernels::ConvShape;

std::int64_t volume(const int extent[3]) { return std::int64_t{extent[0]} * extent[1] * extent[2]; }

void add_voxel(const ConvShape& s, const Task& task, std::int64_t voxel, double* sums) {
  const auto& weight = task.weights.at("weight").values;
  const int out[3] = {static_cast<int>(voxel / s.out[2] / s.out[1]), static_cast<int>(voxel / s.out[2] % s.out[1]),
                      static_cast<int>(voxel % s.out[2])};
  const std::int64_t ins = s.in_channels(), outs = s.out_channels, taps = volume(s.kernel), count = volume(s.in);
  int tap[3];
  std::int64_t t = 0;
  for (tap[0] = 0; tap[0] < s.kernel[0]; ++tap[0])
    for (tap[1] = 0; tap[1] < s.kernel[1]; ++tap[1])
      for (tap[2] = 0; tap[2] < s.kernel[2]; ++tap[2], ++t) {
        const std::int64_t from = input_voxel(s, out, tap);
        for (std::int64_t i = 0; from >= 0 && i < ins; ++i) {
          const double x = task.input.values[static_cast<std::size_t>(i * count + from)];
          for (std::int64_t o = 0; o < outs; ++o)
            sums[o] +=
                x * double{weight[static_cast<std::size_t>((s.transposed ? i * outs + o : o * ins + i) * taps + t)]};
        }
      }
}

}  // namespace

std::int64_t input_voxel(const ConvShape& s, const int out[3], const int tap[3]) {
  std::int64_t index = 0;
  for (int a = 0; a < 3; ++a) {
    int at = s.transposed ? out[a] + s.pad[a] - tap[a] : out[a] * s.stride[a] - s.pad[a] + tap[a] * s.dilation[a];
    if (at < 0 || (s.transposed && at % s.stride[a] != 0)) return -1;
    if (s.transposed) at /= s.stride[a];
    if (at >= s.in[a]) return -1;
    index = index * s.in[a] + at;
  }
  return index;
}

Samples sample_convolution(const ConvShape& s, const Task& task) {
  const std::int64_t count = volume(s.out);
  const double products = static_cast<double>(volume(s.kernel)) * s.in_channels() * s.out_channels;
  const auto wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(3e7 / products), 4, 64);
  Samples samples;
  // Evenly from the first to the last voxel, at changing places of their rows.
  const std::int64_t n = std::min(wanted, count);
  for (std::int64_t i = 0; i < n; ++i) samples.voxels.push_back(n == 1 ? 0 : i * (count - 1) / (n - 1));
  samples.values.resize(static_cast<std::size_t>(n * s.out_channels));
  parallel_for(0, n, [&](std::int64_t i) {
    add_voxel(s, task, samples.voxels[static_cast<std::size_t>(i)],
              &samples.values[static_cast<std::size_t>(i * s.out_channels)]);
  });
  return samples;
}

double relative_error(const Samples& expected, const engine::Tensor& output) {
  const std::size_t voxels = engine::Tensor::count({output.shape[2], output.shape[3], output.shape[4]});
  const auto channels = static_cast<std::size_t>(output.shape[1]);
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < expected.voxels.size(); ++i)
    for (std::size_t c = 0; c < channels; ++c) {
      const double value = expected.values[i * channels + c];
      const double other = output.values[c * voxels + static_cast<std::size_t>(expected.voxels[i])];
      difference += (value - other) * (value - other);
      norm += value * value;
    }
  return std::sqrt(difference / norm);
}

double relative_error(const engine::Tensor& expected, const engine::Tensor& output) {
  if (expected.shape != output.shape) return std::numeric_limits<double>::quiet_NaN();
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double value = expected.values[i], other = output.values[i];
    difference += (value - other) * (value - other);
    norm += value * value;
  }
  return std::sqrt(difference / norm);
}

double error_bound(const std::string& dtype, bool network) {
  if (dtype == "int8") return network ? 8e-2 : 3e-2;
  if (dtype == "bf16") return network ? 3e-2 : 7e-3;
  if (dtype == "strict") return network ? 1e-5 : 1e-6;
  return network ? 3e-5 : 2e-6;
}

}  // namespace oncotome::bench
