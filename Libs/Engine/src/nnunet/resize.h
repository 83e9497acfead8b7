// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "oncotome/core/geometry.h"
#include "oncotome/engine/nnunet.h"

namespace oncotome::engine::nnunet {

/// How one axis is resampled: output k is the sum over i < count of weight[k * count + i] * input[index[k * count +
/// i]]. With `prefilter` the input is that of a cubic B-spline's coefficients, and indices may pass either end by two.
struct AxisTaps {
  std::int64_t from = 1, to = 1;
  std::size_t count = 1;  ///< 1, 2 or 4.
  bool prefilter = false;
  std::vector<std::int64_t> index;
  std::vector<double> weight;
};

/// How an array [D,H,W] is resampled, as resample_data_or_seg_to_shape, resample_torch_fornnunet or no_resampling_hack
/// do it.
struct Resizing {
  std::array<AxisTaps, 3> axes;
  std::optional<std::size_t> apart;  ///< Axis that follows after each slice across it was resampled on its own.
  bool clips = false;  ///< To the range of the input; with an axis apart, of each slice before that axis follows.
};

/// Nothing when the array stays as it is. `spacing` is that of `from`. Throws Error{model_unsupported}.
std::optional<Resizing> plan_resizing(const Resampling& resampling, const Dhw& from, const Dhw& to,
                                      const Vec3& spacing_mm, const Vec3& new_spacing_mm);

/// Resamples one channel into `out`, of the new shape; beyond these it holds at most 768 MiB, or two slices a thread.
void resize(const Resizing& resizing, const float* in, float* out);

/// The same for labels: of those that interpolation meets the one with most weight; nnU-Net's rules where several
/// have. Throws Error{model_unsupported} for cubic splines and where labels are interpolated along an axis apart.
std::vector<std::int16_t> resize_labels(const Resampling& resampling, const Resizing& resizing,
                                        const std::vector<std::int16_t>& in);

}  // namespace oncotome::engine::nnunet
