// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

/// Convolutions over blocked activations, one list of candidates, best first. Kernels start no threads and allocate
/// nothing: a convolution is a number of tiles that may run in any order on any thread, each with scratch of its own,
/// and what a tile computes does not depend on the others.
namespace oncotome::kernels {

/// Channels of a block. Activations of one sample lie as [blocks][D][H][W][kBlock]; the channels that fill the last
/// block of a tensor are zeros.
constexpr int kBlock = 16;
constexpr int kMaxSources = 4;

enum class Element : std::uint8_t { f32, bf16 };

enum class Activation : std::uint8_t { none, relu, leaky_relu, prelu, elu, gelu };

enum class Layout : std::uint8_t {
  blocked,
  planar,  ///< [C][D][H][W] in float32: a network's input and output.
};

/// What a caller accepts. strict: direct sums, each in one fixed order.
enum class Precision : std::uint8_t { strict, f32, bf16, int8 };

/// All that a kernel is chosen and its weights are packed by. Triples are D,H,W.
struct ConvShape {
  bool transposed = false;  ///< Weight [Cin][Cout][k] then, and `pad` is what is cropped off the full result's begin.
  int source_count = 1;     ///< Tensors whose channels follow each other: a concatenation that is never written.
  int source_channels[kMaxSources] = {};
  int out_channels = 0;
  int in[3] = {}, out[3] = {};
  int kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  int pad[3] = {};  ///< Zeros before; after, as many as `out` asks for.
  Layout in_layout = Layout::blocked, out_layout = Layout::blocked;
  Element in_element = Element::f32, out_element = Element::f32;
  Precision precision = Precision::f32;

  int in_channels() const {
    int sum = 0;
    for (int s = 0; s < source_count; ++s) sum += source_channels[s];
    return sum;
  }
  /// Blocks of all sources; each begins with a block of its own.
  int in_blocks() const {
    int sum = 0;
    for (int s = 0; s < source_count; ++s) sum += (source_channels[s] + kBlock - 1) / kBlock;
    return sum;
  }
  int out_blocks() const { return (out_channels + kBlock - 1) / kBlock; }
};

/// A tensor as it was stored, and what its reader has yet to do: activation(scale * x + shift), before any padding.
struct Source {
  const void* data = nullptr;
  const float *scale = nullptr, *shift = nullptr;  ///< Per channel, whole blocks with zeros for fillers; or both null.
  Activation activation = Activation::none;
  float slope = 0;                ///< Of leaky_relu.
  const float* slopes = nullptr;  ///< Of prelu, per channel as scale.
};

/// Tensors are aligned to 64 bytes; what is per channel need not be.
struct ConvArguments {
  Source sources[kMaxSources];
  const void* weights = nullptr;             ///< As pack() left them.
  const float* bias = nullptr;               ///< Whole blocks, or null.
  const void* residual = nullptr;            ///< Added after the bias; layout and element of the output. Or null.
  Activation activation = Activation::none;  ///< After the sum; of the kinds without weights per channel.
  float slope = 0;
  void* output = nullptr;
  double* statistics = nullptr;  ///< [tiles][2][out_blocks * kBlock] or null: the sum and the sum of squares, before
                                 ///< the activation and before rounding, of what the tile wrote.
};

struct ConvKernel {
  const char* name;
  const char* isa;
  /// Null when it takes the shape, or else why not.
  const char* (*declines)(const ConvShape&);
  std::size_t (*packed_bytes)(const ConvShape&);
  /// weight: [Cout][Cin][kD][kH][kW] (transposed: [Cin][Cout]...), true channels. `packed` is aligned to 64 bytes.
  void (*pack)(const ConvShape&, const float* weight, void* packed);
  std::int64_t (*tiles)(const ConvShape&);
  /// Per thread, aligned to 64 bytes; what is in it does not matter.
  std::size_t (*scratch_bytes)(const ConvShape&);
  void (*run)(const ConvShape&, const ConvArguments&, std::int64_t tile, void* scratch);
};

/// Candidates in order of preference up to the instruction set `isa` ("reference", "avx2", "avx512", "avx512vnni",
/// "avx512bf16"; null as for find_kernels()), the reference last; empty for one that it lacks and for an unknown
/// one. Ends with a null.
const ConvKernel* const* conv_kernels(const char* isa);

/// The first that does not decline; never null for a valid shape.
const ConvKernel* choose_conv_kernel(const ConvKernel* const* candidates, const ConvShape& shape);

}  // namespace oncotome::kernels
