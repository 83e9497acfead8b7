// SPDX-License-Identifier: Apache-2.0
#include "export.h"

#include <algorithm>
#include <cmath>

#include "oncotome/core/parallel.h"

namespace oncotome::engine::nnunet {

namespace {

constexpr std::int64_t kRowsPerTask = 8;
/// Runs of voxels to interpolate that lie no further apart are one run.
constexpr std::int64_t kGap = 12;
/// The least float whose sigmoid, in float, is above one half.
constexpr float kAboveHalf = 0x1.800002p-24F;

/// A lead of more than two steps of the rounding at both values, and of half's subnormals: it is convex in the value,
/// so that what holds at all corners holds between them.
float sure_lead(float value, bool rounds_to_half) {
  return std::abs(value) * (rounds_to_half ? 0x1p-9F : 0x1p-20F) + 0x1p-22F;
}

AxisTaps same(std::int64_t n) {
  AxisTaps taps;
  taps.from = taps.to = n;
  for (std::int64_t i = 0; i < n; ++i) taps.index.push_back(i);
  taps.weight.assign(static_cast<std::size_t>(n), 1);
  return taps;
}

/// Both taps of output k; a single one is followed by itself, of weight 0.
struct Pair {
  std::int64_t index[2];
  double weight[2];
};

Pair pair_of(const AxisTaps& taps, std::int64_t k) {
  const auto at = static_cast<std::size_t>(k) * taps.count;
  if (taps.count == 1) return {{taps.index[at], taps.index[at]}, {taps.weight[at], 0}};
  return {{taps.index[at], taps.index[at + 1]}, {taps.weight[at], taps.weight[at + 1]}};
}

}  // namespace

Exporter::Exporter(const Plans& plans, const Configuration& configuration, const Case& input, Accumulators accumulators,
                   std::vector<float>* probabilities)
    : classes_(plans.labels.classes()),
      regions_(plans.labels.has_regions()),
      from_{input.data.shape[1], input.data.shape[2], input.data.shape[3]},
      to_(input.crop_size),
      image_(input.shape),
      origin_(input.crop_first),
      probabilities_(probabilities) {
  const Resampling& resampling = configuration.resample_logits;
  const auto unsupported = [](const std::string& why) {
    throw Error(ErrorCode::model_unsupported, "the plans resample logits " + why);
  };
  if (resampling.function == Resampling::Function::none && from_ != to_) unsupported("not at all, to another grid");
  const std::optional<Resizing> resizing =
      plan_resizing(resampling, from_, to_, input.target_spacing_mm, input.spacing_mm);
  for (std::size_t a = 0; a < 3; ++a) {
    axes_[a] = resizing ? resizing->axes[a] : same(from_[a]);
    if (axes_[a].prefilter) unsupported("with order 3; orders 0 and 1 are supported");
    if (resizing && resizing->apart == a && axes_[a].count > 1) unsupported("with order_z 1; order_z 0 is supported");
  }
  nested_ = resizing && resampling.function == Resampling::Function::torch;
  rounds_to_half_ = accumulators == Accumulators::reference && !nested_;

  for (std::int64_t x = 0; x < to_[2]; ++x) {
    const Pair pair = pair_of(axes_[2], x);
    // Two taps on one sample lie beyond an end, unless the second counts for nothing.
    const bool before = pair.index[1] == 0 && pair.weight[1] != 0;
    column_.push_back(static_cast<std::int32_t>(before ? 0 : pair.index[0] + 1));
    left_.push_back(pair.weight[0]);
    right_.push_back(pair.weight[1]);
  }
  const auto voxels = static_cast<std::size_t>(image_[0] * image_[1] * image_[2]);
  labels_.assign(voxels, 0);
  if (!probabilities_) return;
  probabilities_->assign(classes_.size() * voxels, 0);
  if (!regions_) std::fill_n(probabilities_->begin(), voxels, 1.0F);
}

void Exporter::push(std::vector<float> logits) {
  slices_.push_back({std::move(logits), {}});
  if (shortcut_ && !regions_ && !probabilities_) find_winners(slices_.back());
  const std::int64_t arrived = first_ + static_cast<std::int64_t>(slices_.size());
  for (; next_ < to_[0] && pair_of(axes_[0], next_).index[1] < arrived; ++next_) write_slice(next_);
  const std::int64_t needed = next_ < to_[0] ? pair_of(axes_[0], next_).index[0] : arrived;
  for (; first_ < needed && !slices_.empty(); ++first_) slices_.pop_front();
}

void Exporter::find_winners(Slice& slice) const {
  const auto K = static_cast<std::int64_t>(classes_.size()), length = row_length();
  const auto n = static_cast<std::size_t>(length);
  slice.winner.resize(static_cast<std::size_t>(from_[1] * length));
  parallel_for(0, (from_[1] + kRowsPerTask - 1) / kRowsPerTask, [&](std::int64_t task) {
    std::vector<float> best(n), second(n);
    std::vector<std::int32_t> row(n);
    for (std::int64_t y = task * kRowsPerTask; y < std::min(from_[1], (task + 1) * kRowsPerTask); ++y) {
      kernels_.top_two(slice.logits.data() + y * K * length, n, static_cast<std::int32_t>(K), n, best.data(),
                       second.data(), row.data());
      std::int16_t* winner = slice.winner.data() + y * length;
      for (std::size_t x = 0; x < n; ++x)
        winner[x] = best[x] - second[x] > sure_lead(best[x], rounds_to_half_) ? static_cast<std::int16_t>(row[x])
                                                                              : std::int16_t{-1};
    }
  });
}

void Exporter::write_slice(std::int64_t z) {
  parallel_for(0, (to_[1] + kRowsPerTask - 1) / kRowsPerTask, [&](std::int64_t task) {
    Scratch scratch;
    const auto n = static_cast<std::size_t>(to_[2]);
    scratch.values.resize(classes_.size() * n);
    scratch.best.resize(n);
    scratch.second.resize(n);
    scratch.row.resize(n);
    scratch.winner.resize(static_cast<std::size_t>(row_length()));
    for (std::int64_t y = task * kRowsPerTask; y < std::min(to_[1], (task + 1) * kRowsPerTask); ++y)
      write_row(z, y, scratch);
  });
}

void Exporter::write_row(std::int64_t z, std::int64_t y, Scratch& scratch) {
  const Pair first = pair_of(axes_[0], z), second = pair_of(axes_[1], y);
  const auto K = static_cast<std::int64_t>(classes_.size());
  kernels::RowTaps taps{{},
                        {first.weight[0], first.weight[1]},
                        {second.weight[0], second.weight[1]},
                        column_.data(),
                        left_.data(),
                        right_.data()};
  std::array<const std::int16_t*, 4> winners{};
  for (std::size_t r = 0; r < 4; ++r) {
    // Of no weight: its neighbor, which decides alone.
    const std::size_t i = first.weight[1] == 0 ? 0 : r / 2, j = second.weight[1] == 0 ? 0 : r % 2;
    const Slice& from = slice(first.index[i]);
    taps.rows[r] = from.logits.data() + second.index[j] * K * row_length();
    if (!from.winner.empty()) winners[r] = from.winner.data() + second.index[j] * row_length();
  }
  const std::int64_t voxel = ((origin_[0] + z) * image_[1] + origin_[1] + y) * image_[2] + origin_[2];
  std::uint8_t* labels = labels_.data() + voxel;
  if (!regions_ && !probabilities_) {
    write_labels(taps, winners, labels, scratch);
    return;
  }
  interpolate(taps, 0, to_[2], scratch.values.data());
  if (regions_) write_regions(scratch.values.data(), labels);
  if (probabilities_) write_probabilities(scratch.values.data(), labels, voxel);
}

void Exporter::interpolate(kernels::RowTaps taps, std::int64_t first, std::int64_t last, float* values) const {
  const auto n = static_cast<std::size_t>(last - first);
  taps.column += first;
  taps.left += first;
  taps.right += first;
  for (std::size_t k = 0; k < classes_.size(); ++k) {
    if (nested_)
      kernels_.interpolate_nested(taps, values + k * n, n);
    else
      kernels_.interpolate(taps, rounds_to_half_, values + k * n, n);
    for (const float*& row : taps.rows) row += row_length();
  }
}

void Exporter::write_labels(const kernels::RowTaps& taps, const std::array<const std::int16_t*, 4>& winners,
                            std::uint8_t* labels, Scratch& scratch) const {
  const auto decide = [&](std::int64_t first, std::int64_t last) {
    const auto n = static_cast<std::size_t>(last - first);
    interpolate(taps, first, last, scratch.values.data());
    kernels_.top_two(scratch.values.data(), n, static_cast<std::int32_t>(classes_.size()), n, scratch.best.data(),
                     scratch.second.data(), scratch.row.data());
    for (std::size_t i = 0; i < n; ++i)
      labels[static_cast<std::size_t>(first) + i] = classes_[static_cast<std::size_t>(scratch.row[i])];
  };
  if (!winners[0]) {
    decide(0, to_[2]);
    return;
  }
  std::int16_t* agreed = scratch.winner.data();
  for (std::size_t c = 0; c < scratch.winner.size(); ++c) {
    const std::int16_t winner = winners[0][c];
    agreed[c] =
        winner == winners[1][c] && winner == winners[2][c] && winner == winners[3][c] ? winner : std::int16_t{-1};
  }
  std::int64_t first = 0, last = 0;  // Of the run at hand; empty when equal.
  for (std::int64_t x = 0; x < to_[2]; ++x) {
    const auto i = static_cast<std::size_t>(x);
    const std::int16_t winner = agreed[column_[i]];
    if (winner >= 0 && (right_[i] == 0 || agreed[column_[i] + 1] == winner)) {
      labels[x] = classes_[static_cast<std::size_t>(winner)];
      continue;
    }
    if (last > first && x - last > kGap) {
      decide(first, last);
      first = x;
    } else if (last == first) {
      first = x;
    }
    last = x + 1;
  }
  if (last > first) decide(first, last);
}

void Exporter::write_regions(const float* logits, std::uint8_t* labels) const {
  for (const std::uint8_t label : classes_)
    for (std::int64_t x = 0; x < to_[2]; ++x)
      if (*logits++ >= kAboveHalf) labels[x] = label;
}

void Exporter::write_probabilities(float* logits, std::uint8_t* labels, std::int64_t voxel) const {
  const std::size_t K = classes_.size(), n = static_cast<std::size_t>(to_[2]);
  const std::size_t voxels = labels_.size();
  float* out = probabilities_->data() + voxel;
  if (regions_) {
    for (std::size_t k = 0; k < K; ++k)
      for (std::size_t x = 0; x < n; ++x) out[k * voxels + x] = 1 / (1 + std::exp(-logits[k * n + x]));
    return;
  }
  for (std::size_t x = 0; x < n; ++x) {
    float greatest = logits[x], sum = 0;
    for (std::size_t k = 1; k < K; ++k) greatest = std::max(greatest, logits[k * n + x]);
    for (std::size_t k = 0; k < K; ++k) sum += logits[k * n + x] = std::exp(logits[k * n + x] - greatest);
    std::size_t best = 0;
    for (std::size_t k = 0; k < K; ++k) {
      const float share = out[k * voxels + x] = logits[k * n + x] / sum;
      if (share > out[best * voxels + x]) best = k;
    }
    labels[x] = classes_[best];
  }
}

}  // namespace oncotome::engine::nnunet
