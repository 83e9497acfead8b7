// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/volume.h"
#include "oncotome/engine/session.h"

namespace oncotome::engine {

/// Where tiles begin along one axis: evenly spaced, first at 0, last at the end, neighbors overlap at least as asked.
std::vector<std::int64_t> tile_starts(std::int64_t extent, std::int64_t tile, double overlap);

/// Gaussian importance of a tile's voxels, sigma = tile / 8 (nnU-Net's, doi 10.1038/s41592-020-01008-z), greatest
/// value 1.
Tensor gaussian_importance(const Dhw& tile);

/// Runs the network and compares its output's shape with what the package says; throws Error{weights_invalid} too.
Tensor run_checked(const Executable& network, const Tensor& input, const std::vector<std::int64_t>& output_shape,
                   const Job& job);

/// Probability [D,H,W], 0 to 1, of a union of labels.
struct Probability {
  std::vector<std::uint8_t> labels;
  std::vector<float> values;
};

/// Labels [D,H,W] of a plain U-Net or a TorchScript module by sliding window. Into `probabilities`, unless it is null,
/// the softmax of each class but the background, of the logits' weighted mean.
std::vector<std::uint8_t> run_sliding_window(const Model& model, const TiledInference& inference,
                                             const Prepared& prepared, const Job& job,
                                             std::vector<Probability>* probabilities = nullptr);

/// Labels [D,H,W] of a MeshNet; adds what was kept to the steps.
std::vector<std::uint8_t> run_meshnet(const Model& model, const MeshNetInference& inference, Prepared& prepared,
                                      const Job& job);

/// Labels [D,H,W] of the cascade: 2 edema, 1 core, 4 enhancing. Into `probabilities`, unless it is null, the mean of
/// the three planes of the whole tumor, the core and the enhancing core, each at most that of the one before and 0
/// outside of the box that it was looked for in.
std::vector<std::uint8_t> run_msnet_cascade(const Model& model, const MsnetCascadeInference& inference,
                                            const Prepared& prepared, std::uint64_t seed, const Job& job,
                                            std::vector<Probability>* probabilities = nullptr);

}  // namespace oncotome::engine
