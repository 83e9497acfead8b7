// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "resize.h"

namespace oncotome::engine::nnunet {
namespace {

/// How much of an output voxel is of each label that it meets, ascending.
struct Score {
  std::int16_t label;
  double weight;
};

void add(std::vector<Score>& scores, std::int16_t label, double weight) {
  auto at = scores.begin();
  while (at != scores.end() && at->label < label) ++at;
  if (at == scores.end() || at->label != label) at = scores.insert(at, {label, 0});
  at->weight += weight;
}

// batchgenerators 0.25.5's resize_segmentation: the greatest; of equal ones the nearest voxel's, else the lowest.
std::int16_t of_greatest(const std::vector<Score>& scores, std::int16_t nearest) {
  const Score* best = &scores.front();
  for (const Score& s : scores)
    if (s.weight > best->weight || (s.weight == best->weight && s.label == nearest)) best = &s;
  return best->label;
}

double rounded_to_half(double value) {
  if (!(value > 0)) return 0;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(value) - 10, -24));
  return std::nearbyint(value / unit) * unit;
}

// resample_torch_simple: beyond 0.7 the last, else the first of the greatest, in thousandths and half precision.
std::int16_t of_greatest_half(const std::vector<Score>& scores) {
  const Score *best = nullptr, *sure = nullptr;
  double most = -1;
  for (const Score& s : scores) {
    const double weight = rounded_to_half(1000 * s.weight);
    if (weight > 700) sure = &s;
    if (weight <= most) continue;
    most = weight;
    best = &s;
  }
  return (sure ? sure : best)->label;
}

// The same with memefficient_seg_resampling.
std::int16_t of_most(const std::vector<Score>& scores) {
  std::int16_t label = 0;
  for (const Score& s : scores)
    if (s.weight > 0.5) label = s.label;
  return label;
}

}  // namespace

std::vector<std::int16_t> resize_labels(const Resampling& resampling, const Resizing& resizing,
                                        const std::vector<std::int16_t>& in) {
  const AxisTaps &d = resizing.axes[0], &h = resizing.axes[1], &w = resizing.axes[2];
  if (d.prefilter || h.prefilter || w.prefilter || (resizing.apart && resizing.axes[*resizing.apart].count > 1))
    throw Error(ErrorCode::model_unsupported,
                "the plans resample labels with a cubic spline, or linearly along an axis apart: neither is supported");
  const bool is_torch = resampling.function == Resampling::Function::torch;
  std::vector<std::int16_t> out(static_cast<std::size_t>(d.to * h.to * w.to));
  // Of two taps the nearest is the second from half way on, as spline_taps rounds.
  const auto nearest = [](const AxisTaps& axis, std::int64_t k) {
    const std::size_t at = static_cast<std::size_t>(k) * axis.count;
    return axis.index[axis.count == 2 && axis.weight[at + 1] >= 0.5 ? at + 1 : at];
  };
  parallel_for(0, d.to, [&](std::int64_t z) {
    std::vector<Score> scores;
    std::vector<const std::int16_t*> rows(d.count * h.count);
    std::vector<double> row_weights(rows.size());
    std::int16_t* made = out.data() + z * h.to * w.to;
    for (std::int64_t y = 0; y < h.to; ++y, made += w.to) {
      for (std::size_t r = 0; r < rows.size(); ++r) {
        const std::size_t i = static_cast<std::size_t>(z) * d.count + r / h.count;
        const std::size_t j = static_cast<std::size_t>(y) * h.count + r % h.count;
        rows[r] = in.data() + (d.index[i] * h.from + h.index[j]) * w.from;
        row_weights[r] = d.weight[i] * h.weight[j];
      }
      const std::int16_t* nearest_row = in.data() + (nearest(d, z) * h.from + nearest(h, y)) * w.from;
      for (std::int64_t x = 0; x < w.to; ++x) {
        const std::size_t first = static_cast<std::size_t>(x) * w.count;
        const std::int16_t here = nearest_row[nearest(w, x)];
        bool mixed = false;
        for (const std::int16_t* row : rows)
          for (std::size_t k = first; k < first + w.count; ++k) mixed |= row[w.index[k]] != here;
        made[x] = here;
        if (!mixed) continue;
        // In scipy's order, for ties are equal to the last bit.
        scores.clear();
        for (std::size_t r = 0; r < rows.size(); ++r)
          for (std::size_t k = first; k < first + w.count; ++k)
            add(scores, rows[r][w.index[k]], row_weights[r] * w.weight[k]);
        made[x] = !is_torch                            ? of_greatest(scores, here)
                  : resampling.memory_efficient_labels ? of_most(scores)
                                                       : of_greatest_half(scores);
      }
    }
  });
  return out;
}

}  // namespace oncotome::engine::nnunet
