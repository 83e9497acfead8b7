// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan.h"

namespace oncotome::engine::native {

/// What a node gives: stored tensors whose channels follow each other.
struct Value {
  std::vector<Part> parts{};
  std::array<int, 3> extent{};
  bool sole = false;  ///< Nobody but this node's one reader has a use for the stored tensors.
  int step = kNone;   ///< That stored the one part, where it may still take what is done to it.
};

/// Makes the steps of a plan, node after node. What is per channel is left to readers, what follows a convolution is
/// done where it stores, and a concatenation is only a list.
class Lowering {
 public:
  Lowering(Network& network, const std::vector<std::int64_t>& input_shape);
  std::unique_ptr<Plan> take();

 private:
  using Extent = std::array<int, 3>;

  Value lower(const Node& node);
  Value convolution(const Node& node, Value x);
  Value normalization(const Node& node, Value x);
  Value affine(const Node& node, Value x);
  Value activation(const Node& node, Value x);
  Value addition(Value a, Value b);
  Value concatenation(const Node& node);
  Value cropped(const Node& node, const Value& x);
  Value resampled(const Node& node, const Value& x);
  Value averaged(const Node& node, const Value& x);
  Value weighted_mean(const Value& x, const Value& weights);
  Value softmax(const Value& x);
  /// Stores what lets the convolution at `x` add the stored tensor `y`; false where that cannot be.
  bool add_in_place(const Value& x, const Value& y, Value& sum);
  kernels::ConvShape conv_shape(const Node& node, const Value& x, const Tensor& weight) const;
  bool belongs_to_torch(const kernels::ConvShape& shape, const kernels::ConvKernel& kernel) const;
  const kernels::ConvKernel* choose(const kernels::ConvShape& shape) const;
  bool is_slow(const kernels::ConvKernel& kernel) const;
  void pack_weights();
  /// Asks the step that stored part `p` of `x` for its statistics, or makes one that only takes them.
  void take_statistics(Value& x, std::size_t p, int first_channel, bool keeps_mean);

  /// Blocks in place of planes.
  Value blocked(const Value& x);
  Value planar(const Value& x);
  /// One blocked tensor (or planes, where they do) of so many channels, 0: its own; readers may have yet to do things.
  Value joined(const Value& x, int first_channel = 0, int channels = 0, bool may_be_planar = false);
  /// One part each that nothing is yet to be done to.
  Value stored(const Value& x);

  Step& emit(Kind kind, const Value& x, const Extent& out, int channels);
  Value result(int channels, const Extent& extent, bool is_planar = false);
  Value result(int channels, const Extent& extent, bool is_planar, kernels::Element element);
  void find_precise(std::size_t output);
  /// Has the steps write the next of the caller's tensors.
  void give(const Value& x, std::int64_t samples);
  int add_buffer(std::size_t bytes);
  bool is_open(const Value& x) const;
  const Tensor& weight(const std::string& name) const;
  PerChannel per_channel(const std::string& name, int first, int channels) const;

  Network& network_;
  std::unique_ptr<Plan> plan_ = std::make_unique<Plan>();
  std::vector<int> uses_;
  std::vector<bool> precise_;  ///< Convolutions that are stored in float32.
  std::vector<Value> values_;
  std::map<int, Value> blocked_;  ///< Of planes that several read.
  int node_ = 0;
};

/// Throws Error{backend_failed}.
[[noreturn]] void refuse(const std::string& what);

inline int blocks_of(int channels) { return (channels + kernels::kBlock - 1) / kernels::kBlock; }
inline int whole_blocks(int channels) { return blocks_of(channels) * kernels::kBlock; }
inline std::int64_t voxels_of(const std::array<int, 3>& extent) {
  return std::int64_t{extent[0]} * extent[1] * extent[2];
}

/// Voxels that a pointwise task takes; the rounding of statistics depends on it, not on threads.
constexpr std::int64_t kRun = 2048;
inline std::int64_t runs_of(std::int64_t voxels) { return (voxels + kRun - 1) / kRun; }

}  // namespace oncotome::engine::native
