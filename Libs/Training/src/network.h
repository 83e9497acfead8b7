// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "convolution.h"
#include "oncotome/engine/graph.h"

namespace oncotome::training {

using Tensors = std::map<std::string, at::Tensor>;

/// Where a network learns, and whether the products of its convolutions are of bfloat16; weights, statistics, losses
/// and moments stay float32.
struct Compute {
  at::Device device = at::kCPU;
  bool mixed = false;
};

/// Overwrites the values of those of the same names.
void copy_into(const Tensors& from, const Tensors& to);

/// A graph whose weights learn. Of a 2-D network tensors have no D axis; channels lie innermost, which is faster.
/// Weights whose names begin with one of `frozen` do not learn, nor do their batch norms' statistics change.
class Network {
 public:
  /// Throws Error{weights_invalid} for a weight that is absent.
  Network(engine::Graph graph, const engine::Weights& weights, int dimensions, const std::vector<std::string>& frozen,
          const Compute& compute = {});

  /// Float32 outputs [N,K,...] in the graph's order of an input [N,C,D,H,W] of the device. Training: with a seed for
  /// dropout, batch norms take the batch's statistics and move their own by a tenth of the way.
  std::vector<at::Tensor> forward(const at::Tensor& input, std::optional<std::uint64_t> training_seed);

  /// What learns, by name; the tensors share their values with the network.
  const Tensors& parameters() const { return parameters_; }
  /// Everything that has a value: parameters, what is frozen, and statistics.
  const Tensors& values() const { return values_; }

  /// Values in the engine's form (5-D), and back: `t` has the shape of the value of that name.
  engine::Tensor exported(const std::string& name, const at::Tensor& t) const;
  at::Tensor imported(const std::string& name, const engine::Tensor& t) const;

 private:
  Features evaluate(std::size_t index, const std::vector<Features>& inputs, std::optional<std::uint64_t> seed);
  at::Tensor laid_out(const at::Tensor& t) const;
  at::Tensor find(const std::string& name) const;
  Features normalize(const engine::Node& norm, const Features& x, const Features& other, bool relu,
                     bool training) const;
  bool is_frozen(const std::string& name) const;
  void join();
  bool joins(int node, engine::Op op) const;

  /// What else is computed with a node: the batch norm before an addition, and ReLU after either.
  struct Joined {
    int norm = -1;
    bool relu = false;
    bool elsewhere = false;   ///< Itself, by another node.
    std::vector<int> inputs;  ///< The node's, or those of a concatenation that is computed with it.
  };

  const engine::Graph graph_;
  const bool plane_;
  const at::MemoryFormat layout_;
  const Compute compute_;
  const std::vector<std::string> frozen_;
  Tensors values_, parameters_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;  ///< In the engine's form.
  std::vector<Joined> joined_;
  std::vector<int> uses_;  ///< How many nodes take a node's output, or the caller.
};

}  // namespace oncotome::training
