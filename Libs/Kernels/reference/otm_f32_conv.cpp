// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "oncotome/kernels/bf16.h"
#include "oncotome/kernels/convolution.h"

namespace oncotome::kernels {

namespace {

struct Voxel {
  int at[3];
};

std::int64_t voxels(const int extent[3]) { return std::int64_t{extent[0]} * extent[1] * extent[2]; }

std::int64_t index_of(const Voxel& voxel, const int extent[3]) {
  return (std::int64_t{voxel.at[0]} * extent[1] + voxel.at[1]) * extent[2] + voxel.at[2];
}

/// Where channel `channel` of a voxel lies.
std::int64_t place(Layout layout, int channel, std::int64_t voxel, std::int64_t count) {
  return layout == Layout::planar ? channel * count + voxel
                                  : (channel / kBlock * count + voxel) * kBlock + channel % kBlock;
}

bool is_bf16(Layout layout, Element element) { return layout == Layout::blocked && element == Element::bf16; }

double load(const void* data, bool bf16, std::int64_t at) {
  if (!bf16) return static_cast<const float*>(data)[at];
  return double{f32_from_bf16(static_cast<const std::uint16_t*>(data)[at])};
}

void store(void* data, bool bf16, std::int64_t at, float value) {
  if (bf16)
    static_cast<std::uint16_t*>(data)[at] = bf16_from_f32(value);
  else
    static_cast<float*>(data)[at] = value;
}

double activate(double x, Activation activation, double slope) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::leaky_relu:
    case Activation::prelu:
      return x < 0 ? slope * x : x;
    case Activation::elu:
      return x < 0 ? expm1(x) : x;
    case Activation::gelu:
      return x * erfc(-x * 0.70710678118654752440) / 2;
  }
  return x;
}

double load_activated(const Source& source, Layout layout, bool bf16, int channel, std::int64_t voxel,
                      std::int64_t count) {
  double x = load(source.data, bf16, place(layout, channel, voxel, count));
  if (source.scale) x = x * double{source.scale[channel]} + double{source.shift[channel]};
  const float slope = source.activation == Activation::prelu ? source.slopes[channel] : source.slope;
  return activate(x, source.activation, double{slope});
}

/// The voxel of the input that tap `tap` of output `out` reads; false when there is none.
bool find_input(const ConvShape& shape, const Voxel& out, const int tap[3], Voxel& in) {
  for (int a = 0; a < 3; ++a) {
    int at = shape.transposed ? out.at[a] + shape.pad[a] - tap[a] * shape.dilation[a]
                              : out.at[a] * shape.stride[a] - shape.pad[a] + tap[a] * shape.dilation[a];
    if (at < 0 || (shape.transposed && at % shape.stride[a] != 0)) return false;
    if (shape.transposed) at /= shape.stride[a];
    if (at >= shape.in[a]) return false;
    in.at[a] = at;
  }
  return true;
}

void add_taps(const ConvShape& shape, const ConvArguments& arguments, const Voxel& out, int channels, double* sums) {
  const float* weights = static_cast<const float*>(arguments.weights);
  const bool bf16 = is_bf16(shape.in_layout, shape.in_element);
  const std::int64_t count = voxels(shape.in);
  int tap[3];
  for (tap[0] = 0; tap[0] < shape.kernel[0]; ++tap[0])
    for (tap[1] = 0; tap[1] < shape.kernel[1]; ++tap[1])
      for (tap[2] = 0; tap[2] < shape.kernel[2]; ++tap[2]) {
        Voxel in;
        const bool found = find_input(shape, out, tap, in);
        for (int s = 0; s < shape.source_count; ++s)
          for (int c = 0; c < shape.source_channels[s]; ++c, weights += channels) {
            if (!found) continue;
            const double x =
                load_activated(arguments.sources[s], shape.in_layout, bf16, c, index_of(in, shape.in), count);
            for (int o = 0; o < channels; ++o) sums[o] += x * double{weights[o]};
          }
      }
}

void write(const ConvShape& shape, const ConvArguments& arguments, std::int64_t voxel, int channels, const double* sums,
           double* statistics) {
  const bool bf16 = is_bf16(shape.out_layout, shape.out_element);
  const std::int64_t count = voxels(shape.out);
  const int written = shape.out_layout == Layout::planar ? shape.out_channels : channels;
  for (int o = 0; o < written; ++o) {
    const std::int64_t at = place(shape.out_layout, o, voxel, count);
    double x = sums[o];
    if (arguments.bias) x += double{arguments.bias[o]};
    if (arguments.residual) x += load(arguments.residual, bf16, at);
    if (statistics) {
      statistics[o] += x;
      statistics[channels + o] += x * x;
    }
    store(arguments.output, bf16, at, static_cast<float>(activate(x, arguments.activation, double{arguments.slope})));
  }
}

const char* declines(const ConvShape& /*shape*/) { return nullptr; }

std::size_t packed_bytes(const ConvShape& shape) {
  return static_cast<std::size_t>(voxels(shape.kernel) * shape.in_channels() * shape.out_blocks() * kBlock) *
         sizeof(float);
}

/// [taps][Cin][whole blocks of Cout].
void pack(const ConvShape& shape, const float* weight, void* packed) {
  const std::int64_t taps = voxels(shape.kernel), ins = shape.in_channels(), outs = shape.out_channels;
  float* to = static_cast<float*>(packed);
  for (std::int64_t tap = 0; tap < taps; ++tap)
    for (std::int64_t c = 0; c < ins; ++c)
      for (std::int64_t o = 0; o < shape.out_blocks() * kBlock; ++o)
        *to++ = o < outs ? weight[(shape.transposed ? c * outs + o : o * ins + c) * taps + tap] : 0;
}

std::int64_t tiles(const ConvShape& shape) { return std::int64_t{shape.out[0]} * shape.out[1]; }

std::size_t scratch_bytes(const ConvShape& shape) {
  return static_cast<std::size_t>(shape.out_blocks() * kBlock) * sizeof(double);
}

/// A row of the output.
void run(const ConvShape& shape, const ConvArguments& arguments, std::int64_t tile, void* scratch) {
  const int channels = shape.out_blocks() * kBlock;
  double* sums = static_cast<double*>(scratch);
  double* statistics = arguments.statistics ? arguments.statistics + tile * 2 * channels : nullptr;
  if (statistics)
    for (int o = 0; o < 2 * channels; ++o) statistics[o] = 0;
  for (int x = 0; x < shape.out[2]; ++x) {
    const Voxel out = {{static_cast<int>(tile / shape.out[1]), static_cast<int>(tile % shape.out[1]), x}};
    for (int o = 0; o < channels; ++o) sums[o] = 0;
    add_taps(shape, arguments, out, channels, sums);
    write(shape, arguments, index_of(out, shape.out), channels, sums, statistics);
  }
}

}  // namespace

extern const ConvKernel otm_f32_conv__reference;  // NOLINT(readability-identifier-naming)
const ConvKernel otm_f32_conv__reference = {"otm_f32_conv", "reference", declines,      packed_bytes,
                                            pack,           tiles,       scratch_bytes, run};

}  // namespace oncotome::kernels
