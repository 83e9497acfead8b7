// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/engine/backend.h"
#include "oncotome/engine/graph.h"
#include "oncotome/kernels/convolution.h"
#include "oncotome/kernels/pointwise.h"

/// The CPU backend of Oncotome's own kernels: a graph becomes, for one shape of its input, steps over blocked tensors
/// in memory that is laid out ahead.
namespace oncotome::engine::native {

/// Values per channel in whole blocks, zeros for fillers.
using PerChannel = std::shared_ptr<const std::vector<float>>;

/// In place of a buffer: none, and the caller's tensors; the second output is kOutput - 1.
constexpr int kNone = -1, kInput = -2, kOutput = -3;

/// Memory of one run.
struct Buffer {
  std::size_t bytes = 0;      ///< Of one sample.
  int first = -1, last = -1;  ///< Steps between which it holds something; -1: never used.
  std::size_t offset = 0;
};

/// A stored tensor and what its reader has yet to do.
struct Part {
  int buffer = kNone;
  int channels = 0;
  bool planar = false;  ///< [C][D][H][W] in float32; nothing is yet to be done then.
  kernels::Element element = kernels::Element::f32;
  int scale_shift = kNone;  ///< A buffer of [2][whole blocks of channels], or
  PerChannel scale{}, shift{};
  kernels::Activation activation = kernels::Activation::none;
  float slope = 0;
  PerChannel slopes{};

  bool is_scaled() const { return scale_shift != kNone || scale; }
  bool is_plain() const { return !is_scaled() && activation == kernels::Activation::none; }
};

/// Scales and shifts from the sums that a step has left.
struct Norm {
  int node = 0;
  int first_channel = 0, channels = 0;
  std::int64_t tiles = 0;
  int statistics = kNone;   ///< Buffer of [tiles][2][whole blocks] doubles.
  int scale_shift = kNone;  ///< Buffer of [2][whole blocks] floats.
};

enum class Kind {
  conv,
  combine,  ///< activation(a + b); without an output only for its statistics.
  gather,   ///< All sources' channels after `first_channel` channels of zeros.
  block,
  unblock,
  pool,
  average,        ///< Adaptive, of planes.
  weighted_mean,  ///< Of planes.
  upsample,
  softmax,
  torch,  ///< One node in LibTorch.
};

struct Step {
  Kind kind = Kind::combine;
  int node = 0;
  std::vector<Part> sources{};
  int output = kNone;
  int channels = 0;  ///< Of the output.
  std::array<int, 3> in{}, out{};
  kernels::Activation activation = kernels::Activation::none;
  float slope = 0;
  std::optional<Norm> norm{};
  int first_channel = 0;     ///< Of gather.
  std::int64_t skipped = 0;  ///< Voxels of each block that combine leaves out at the beginning.

  kernels::ConvShape shape{};
  const kernels::ConvKernel* kernel = nullptr;
  int residual = kNone;
  std::vector<int> folded{};     ///< Nodes whose scales went into `scales`.
  std::vector<double> scales{};  ///< What the weights are multiplied with; empty: nothing.
  std::vector<float> bias{};     ///< Whole blocks; empty: none.
  std::shared_ptr<const void> weights{};

  kernels::PoolShape pool{};
  std::array<int, 3> factor{};
  std::shared_ptr<const Executable> executable{};
};

struct Plan {
  int samples = 1;  ///< That go through each step together.
  std::vector<std::vector<std::int64_t>> output_shapes{};
  std::vector<Step> steps{};
  std::vector<Buffer> buffers{};
  std::size_t arena_bytes = 0, live_bytes = 0;       ///< And the most that any step needs.
  std::size_t scratch_bytes = 0;                     ///< Per thread.
  kernels::Element element = kernels::Element::f32;  ///< Of all blocks but what the last convolutions read.
};

/// A graph, and what the plans for its shapes have in common.
struct Network {
  Graph graph;
  Weights weights;
  Precision precision = Precision::f32;
  const kernels::ConvKernel* const* candidates = nullptr;
  bool only_reference = false;  ///< No instruction set is to be used.

  std::mutex mutex{};  ///< Of what follows.
  std::map<std::pair<const kernels::ConvKernel*, std::vector<int>>, std::shared_ptr<const void>> packs{};
  std::map<int, std::shared_ptr<const Executable>> torch_nodes{};  ///< Null where LibTorch cannot be loaded.
};

/// The plan for inputs [N,C,D,H,W]; `network.mutex` must be held. Throws Error{backend_failed} for a shape that the
/// network does not take, Error{weights_invalid}.
std::unique_ptr<const Plan> make_plan(Network& network, const std::vector<std::int64_t>& input_shape);

/// Gives each buffer its place, and tells how much memory that takes and how much it must.
void lay_out(Plan& plan);

/// Runs all samples; `arena` has room for the buffers and the scratch of so many threads.
void run_plan(const Plan& plan, const Network& network, const kernels::Pointwise& pointwise, int threads,
              const Tensor& input, std::byte* arena, std::vector<Tensor>& outputs, const Job& job);

}  // namespace oncotome::engine::native
