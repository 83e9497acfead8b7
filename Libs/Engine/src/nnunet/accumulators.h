// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/engine/graph.h"
#include "oncotome/engine/tensor.h"

namespace oncotome::engine::nnunet {

/// Where nnU-Net's tiles begin along an axis that is at least as long as the tile.
std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t tile, double step);

/// nnU-Net's importance of a tile's voxels: halves, greatest value 10, none 0. `is_2d` leaves the first axis out.
Tensor window_importance(const Dhw& tile, bool is_2d);

/// Weighted sums of tiles, T halves as bits or floats, over no more slices along the first axis than a tile is deep.
/// A slice is [H][channels][W].
template <class T>
class TileSums {
 public:
  TileSums(const Dhw& extent, std::int64_t channels, std::int64_t depth);

  TileSums(TileSums&&) noexcept = default;

  /// Adds tile [1,channels,...importance's shape] times importance, as far as it lies within the extent.
  void add(const Tensor& tile, const Tensor& importance, const Dhw& start);
  T* row(std::int64_t z, std::int64_t y, std::int64_t channel) {
    return slices_[static_cast<std::size_t>(z) % slices_.size()].data() + (y * channels_ + channel) * extent_[2];
  }
  /// Makes room for the slice one depth further.
  void clear(std::int64_t z);

 private:
  Dhw extent_;
  std::int64_t channels_;
  std::vector<std::vector<T>> slices_;
};

/// value = value / by, rounded as T; false when one comes out infinite or not a number.
bool divide(std::uint16_t* value, const std::uint16_t* by, std::size_t n);
bool divide(float* value, const float* by, std::size_t n);
/// sum = sum + value * weight, rounded as T.
void accumulate(std::uint16_t* sum, const float* value, const float* weight, std::size_t n);
void accumulate(float* sum, const float* value, const float* weight, std::size_t n);
void to_float(const std::uint16_t* in, float* out, std::size_t n);
void to_float(const float* in, float* out, std::size_t n);
void from_float(const float* in, std::uint16_t* out, std::size_t n);
void from_float(const float* in, float* out, std::size_t n);

}  // namespace oncotome::engine::nnunet
