// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/bench/bench.h"
#include "oncotome/kernels/convolution.h"

namespace oncotome::bench {

struct Case {
  std::string name;
  bool quick = false;
  std::optional<kernels::ConvShape> shape;  ///< Of a single convolution; its precision and elements are open.
  std::function<Task()> make;
  double operations = 0;  ///< Of the direct sums.
};

/// Every distinct convolution of the networks, others that are awkward, blocks, and whole networks.
std::vector<Case> all_cases();

/// Random weights of a size that keeps activations at theirs; biases, and scales about one.
engine::Weights random_weights(const engine::Graph& graph, std::int64_t in_channels);

/// Normal noise, the same for the same shape and seed; with `positive` its negative numbers become zeros.
engine::Tensor noise(std::vector<std::int64_t> shape, std::uint64_t seed, double sigma, bool positive = false);

/// A network as it is trained, and the shape of its input.
struct Net {
  std::string name;
  engine::Graph graph;
  std::vector<std::int64_t> input;
};
std::vector<Net> networks();

/// The channels and extent of [N,C,D,H,W].
inline engine::NodeShape shape_of(const std::vector<std::int64_t>& input) {
  return {input[1], {input[2], input[3], input[4]}};
}

/// With random weights and noise of that shape; adaptive means, whose cells must be of one size there, become plain
/// ones.
Task task_of(const Net& net, const std::vector<std::int64_t>& input, std::uint64_t seed);

/// The convolution of node `n`, with what a concatenation before it joins as its sources.
kernels::ConvShape convolution_of(const engine::Graph& graph, const std::vector<engine::NodeShape>& shapes,
                                  std::size_t n);

}  // namespace oncotome::bench
