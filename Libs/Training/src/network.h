// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/engine/graph.h"

namespace oncotome::training {

using Tensors = std::map<std::string, at::Tensor>;

/// Overwrites the values of those of the same names.
void copy_into(const Tensors& from, const Tensors& to);

/// A graph whose weights learn. Of a 2-D network tensors have no D axis and channels lie innermost, which oneDNN
/// computes faster. Weights whose names begin with one of `frozen` do not learn, nor do their batch norms' statistics
/// change.
class Network {
 public:
  /// Throws Error{weights_invalid} for a weight that is absent.
  Network(engine::Graph graph, const engine::Weights& weights, int dimensions, const std::vector<std::string>& frozen);

  /// Outputs [N,K,...] in the graph's order of an input [N,C,D,H,W]. Training: with a seed for dropout, batch norms
  /// take the batch's statistics and move their own by a tenth of the way.
  std::vector<at::Tensor> forward(const at::Tensor& input, std::optional<std::uint64_t> training_seed);

  /// What learns, by name; the tensors share their values with the network.
  const Tensors& parameters() const { return parameters_; }
  /// Everything that has a value: parameters, what is frozen, and statistics.
  const Tensors& values() const { return values_; }

  /// Values in the engine's form (5-D), and back: `t` has the shape of the value of that name.
  engine::Tensor exported(const std::string& name, const at::Tensor& t) const;
  at::Tensor imported(const std::string& name, const engine::Tensor& t) const;

 private:
  at::Tensor evaluate(std::size_t index, const std::vector<at::Tensor>& inputs, std::optional<std::uint64_t> seed);
  at::Tensor find(const std::string& name) const;
  at::Tensor normalized(const engine::Node& node, const at::Tensor& x, bool training) const;
  bool is_frozen(const std::string& name) const;

  const engine::Graph graph_;
  const bool plane_;
  const std::vector<std::string> frozen_;
  Tensors values_, parameters_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;  ///< In the engine's form.
  std::vector<int> uses_;                                    ///< How many nodes take a node's output, or the caller.
};

}  // namespace oncotome::training
