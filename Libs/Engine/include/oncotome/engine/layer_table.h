// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "oncotome/engine/graph.h"

namespace oncotome::engine {

/// What a node is, does to the shape and costs.
struct Layer {
  std::string name;  ///< As layer_names() has it.
  const char* type = "";
  NodeShape in, out;
  Dhw kernel{1, 1, 1}, stride{1, 1, 1}, padding{0, 0, 0};  ///< Padding before; of both sides where they are equal.
  std::int64_t parameters = 0;                             ///< That are trained.
  double operations = 0;  ///< Of convolutions: two for each product that is added, padding too, none for the bias.
  /// Voxels of the input that one voxel depends on, and from one to the next (doi 10.23915/distill.00021); of branches
  /// the greatest. What a normalization takes from the whole image is left out.
  std::array<double, 3> receptive_field{1, 1, 1}, jump{1, 1, 1};
};

/// Of every node, for one image of this shape. Throws Error{model_invalid} as node_shapes().
std::vector<Layer> layer_table(const Graph& graph, const NodeShape& input);

}  // namespace oncotome::engine
