// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>

#include "../compute_kernels.h"
#include "case.h"
#include "predict.h"
#include "resize.h"

namespace oncotome::engine::nnunet {

/// Makes labels of the image out of logits on the network's grid, that come slice by slice along the first axis; holds
/// those slices alone that interpolation still needs.
class Exporter {
 public:
  /// Throws Error{model_unsupported} for a resampling that does not run slice by slice: of order 3, or of order 1 along
  /// an axis apart.
  Exporter(const Plans& plans, const Configuration& configuration, const Case& input, Accumulators accumulators,
           std::vector<float>* probabilities);

  /// Of one row of one class; its columns start at 1, before the first and after the last is a copy of that.
  std::int64_t row_length() const { return from_[2] + 2; }
  /// The next slice, [h][class][row_length()]; finite.
  void push(std::vector<float> logits);
  /// Whether voxels are decided without interpolation where that provably gives the same; they are unless a test asks.
  void set_shortcut(bool shortcut) { shortcut_ = shortcut; }
  std::vector<std::uint8_t> take_labels() { return std::move(labels_); }

 private:
  struct Slice {
    std::vector<float> logits;
    std::vector<std::int16_t> winner;  ///< [h][row_length()]: the class far above all others; -1 where none is.
  };
  struct Scratch {
    std::vector<float> values, best, second;
    std::vector<std::int32_t> row;
    std::vector<std::int16_t> winner;
  };

  const Slice& slice(std::int64_t z) const { return slices_[static_cast<std::size_t>(z - first_)]; }
  void find_winners(Slice& slice) const;
  void write_slice(std::int64_t z);
  void write_row(std::int64_t z, std::int64_t y, Scratch& scratch);
  void write_labels(const kernels::RowTaps& taps, const std::array<const std::int16_t*, 4>& winners,
                    std::uint8_t* labels, Scratch& scratch) const;
  void write_regions(const float* logits, std::uint8_t* labels) const;
  void write_probabilities(float* logits, std::uint8_t* labels, std::int64_t voxel) const;
  /// Values [class][last - first] of part of a row.
  void interpolate(kernels::RowTaps taps, std::int64_t first, std::int64_t last, float* values) const;

  const kernels::Kernels& kernels_ = compute_kernels();
  std::vector<std::uint8_t> classes_;
  bool regions_, rounds_to_half_, nested_, shortcut_ = true;
  Dhw from_{}, to_{}, image_{}, origin_{};
  std::array<AxisTaps, 3> axes_;
  std::vector<std::int32_t> column_;
  std::vector<double> left_, right_;
  std::deque<Slice> slices_;
  std::int64_t first_ = 0, next_ = 0;  ///< Of the slices held; of the slices to write.
  std::vector<std::uint8_t> labels_;
  std::vector<float>* probabilities_;
};

}  // namespace oncotome::engine::nnunet
