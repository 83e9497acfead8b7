// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/engine/networks.h"

/// What a results folder of nnU-Net v2 (doi 10.1038/s41592-020-01008-z) says. Triples are in the order of its arrays:
/// z, y, x of the image as stored, permuted by `transpose_forward` where that is said.
namespace oncotome::engine::nnunet {

enum class Normalization { ct, zscore, none, rescale_to_0_1, rgb_to_0_1 };

/// Of the training's foreground voxels of one channel.
struct Intensities {
  double mean = 0, std = 1, percentile_00_5 = 0, percentile_99_5 = 0;
};

/// `standard` is resample_data_or_seg_to_shape, `torch` resample_torch_fornnunet, `none` no_resampling_hack.
struct Resampling {
  enum class Function { standard, torch, none } function = Function::standard;
  int order = 1;    ///< 0, 1 or 3; of `standard`.
  int order_z = 0;  ///< Along an axis that is resampled apart; of `standard`.
  std::optional<bool> force_separate_z;
  bool memory_efficient_labels = false;  ///< Of `torch`.
};

struct Configuration {
  std::string name;
  std::vector<double> spacing_mm;  ///< Transposed; two values for a 2-D network, which keeps the first axis's.
  Dhw patch_size{1, 1, 1};         ///< {1,H,W} for a 2-D network.
  std::vector<Normalization> normalization;  ///< Per channel.
  std::vector<bool> use_mask_for_norm;       ///< Per channel.
  Resampling resample_data, resample_labels, resample_logits;
  std::string previous_stage;  ///< Configuration whose labels are further input channels; empty without.
  ConvUNetConfig network;

  bool is_2d() const { return network.dimensions == 2; }
};

/// A name of dataset.json's labels: one value, or the values of a region.
struct LabelEntry {
  std::string name;
  std::vector<int> values;
};

struct Labels {
  std::vector<LabelEntry> entries;       ///< In the file's order, background and ignore too.
  std::vector<int> regions_class_order;  ///< Empty unless classes are regions.
  std::optional<int> ignore;

  bool has_regions() const { return !regions_class_order.empty(); }
  std::vector<LabelEntry> regions() const;    ///< Without background and ignore; the k-th is output channel k.
  std::vector<int> foreground() const;        ///< Distinct values without 0 and ignore, ascending.
  std::vector<std::uint8_t> classes() const;  ///< Label of each output channel; of a region, what it sets.
};

/// A step of nnU-Net's post-processing: of what carries any of `labels` only the largest component, or those that tie
/// for it, stays; the rest becomes background.
struct KeepLargest {
  std::vector<int> labels;
  std::uint8_t background = 0;
};

struct Plans {
  std::string dataset_name;
  bool reorients = false;  ///< The training read its images turned to R, A, S, not as they were stored.
  std::string file_ending;
  std::array<std::size_t, 3> transpose_forward{0, 1, 2}, transpose_backward{0, 1, 2};
  std::vector<std::string> channel_names;
  std::vector<Intensities> intensities;  ///< Per channel.
  Labels labels;
};

}  // namespace oncotome::engine::nnunet
