// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <new>

#include "accumulators.h"
#include "export.h"
#include "oncotome/core/parallel.h"
#include "oncotome/engine/inference.h"

namespace oncotome::engine::nnunet {

namespace {

using Flips = std::array<bool, 3>;

/// Calls f(row of `tensor`, the row that takes its place when the axes are flipped, length) for each row of W values.
template <class F>
void for_flipped_rows(const Tensor& tensor, const Flips& flips, F&& f) {
  const std::int64_t channels = tensor.shape[1], D = tensor.shape[2], H = tensor.shape[3], W = tensor.shape[4];
  parallel_for(0, channels * D, [&](std::int64_t plane) {
    const std::int64_t z = plane % D, other = plane - z + (flips[0] ? D - 1 - z : z);
    for (std::int64_t y = 0; y < H; ++y) f((plane * H + y) * W, (other * H + (flips[1] ? H - 1 - y : y)) * W, W);
  });
}

Tensor flipped(const Tensor& in, const Flips& flips) {
  Tensor out(in.shape);
  for_flipped_rows(in, flips, [&](std::int64_t to, std::int64_t from, std::int64_t n) {
    const auto row = in.values.begin() + from;
    if (flips[2])
      std::reverse_copy(row, row + n, out.values.begin() + to);
    else
      std::copy_n(row, n, out.values.begin() + to);
  });
  return out;
}

void add_flipped(Tensor& sum, const Tensor& in, const Flips& flips) {
  for_flipped_rows(in, flips, [&](std::int64_t to, std::int64_t from, std::int64_t n) {
    float* out = sum.values.data() + to;
    const float* row = in.values.data() + from;
    if (flips[2])
      for (std::int64_t i = 0; i < n; ++i) out[i] += row[n - 1 - i];
    else
      for (std::int64_t i = 0; i < n; ++i) out[i] += row[i];
  });
}

/// Combinations of the axes, few before many, each in the order of the list.
std::vector<Flips> flips_of(const std::vector<int>& axes) {
  std::vector<Flips> out;
  const auto choose = [&](auto&& self, Flips flips, std::size_t next, std::size_t count) -> void {
    if (count == 0) {
      out.push_back(flips);
      return;
    }
    for (std::size_t i = next; i + count <= axes.size(); ++i) {
      Flips more = flips;
      more.at(static_cast<std::size_t>(axes[i])) = true;
      self(self, more, i + 1, count - 1);
    }
  };
  for (std::size_t count = 1; count <= axes.size(); ++count) choose(choose, {}, 0, count);
  return out;
}

template <class T>
class Window {
 public:
  Window(const Prediction& prediction, const Case& input, const Dhw& patch, bool is_2d, std::int64_t classes)
      : prediction_(prediction),
        data_(input.data),
        extent_{data_.shape[1], data_.shape[2], data_.shape[3]},
        patch_(patch),
        is_2d_(is_2d),
        classes_(classes),
        flips_(flips_of(prediction.mirror_axes)),
        importance_(prediction.gaussian ? window_importance(patch, is_2d)
                                        : Tensor({patch[0], patch[1], patch[2]}, 1.0F)),
        ones_({1, 1, patch[0], patch[1], patch[2]}, 1.0F),
        weights_(extent_, 1, patch[0]) {
    for (std::size_t fold = 0; fold < prediction.folds.size(); ++fold) sums_.emplace_back(extent_, classes, patch[0]);
  }

  void run(Exporter& exporter, const Job& job) {
    std::array<std::vector<std::int64_t>, 3> starts;
    for (std::size_t a = 0; a < 3; ++a) {
      // What is shorter than the patch lies in the middle of zeros.
      if (extent_[a] < patch_[a])
        starts[a] = {-((patch_[a] - extent_[a]) / 2)};
      else if (a > 0 || !is_2d_)
        starts[a] = window_starts(extent_[a], patch_[a], prediction_.step);
    }
    if (is_2d_)
      for (std::int64_t z = 0; z < extent_[0]; ++z) starts[0].push_back(z);

    const double total = static_cast<double>(starts[0].size() * starts[1].size() * starts[2].size() * sums_.size());
    std::size_t done = 0;
    for (std::size_t row = 0; row < starts[0].size(); ++row) {
      for (const std::int64_t y : starts[1])
        for (const std::int64_t x : starts[2]) {
          const Dhw start{starts[0][row], y, x};
          const Tensor tile = cut(start);
          weights_.add(ones_, importance_, start);
          for (std::size_t fold = 0; fold < sums_.size(); ++fold) {
            job.report("segment", static_cast<double>(done++) / total);
            sums_[fold].add(logits_of(*prediction_.folds[fold], tile, job), importance_, start);
          }
        }
      const std::int64_t end = row + 1 < starts[0].size() ? starts[0][row + 1] : extent_[0];
      for (; next_ < end; ++next_) {
        job.check();
        exporter.push(finish(exporter.row_length()));
      }
    }
    job.report("segment", 1);
  }

 private:
  Tensor cut(const Dhw& start) const {
    const std::int64_t channels = data_.shape[0];
    Tensor tile({1, channels, patch_[0], patch_[1], patch_[2]});
    const std::int64_t x = std::max<std::int64_t>(0, start[2]), n = std::min(extent_[2], start[2] + patch_[2]) - x;
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t z = std::max<std::int64_t>(0, start[0]); z < std::min(extent_[0], start[0] + patch_[0]); ++z)
        for (std::int64_t y = std::max<std::int64_t>(0, start[1]); y < std::min(extent_[1], start[1] + patch_[1]); ++y)
          std::copy_n(data_.values.begin() + ((c * extent_[0] + z) * extent_[1] + y) * extent_[2] + x, n,
                      tile.values.begin() + ((c * patch_[0] + z - start[0]) * patch_[1] + y - start[1]) * patch_[2] +
                          x - start[2]);
    return tile;
  }

  Tensor logits_of(const Executable& network, const Tensor& tile, const Job& job) const {
    const std::vector<std::int64_t> shape{1, classes_, patch_[0], patch_[1], patch_[2]};
    Tensor sum = run_checked(network, tile, shape, job);
    if (flips_.empty()) return sum;
    for (const Flips& flips : flips_) add_flipped(sum, run_checked(network, flipped(tile, flips), shape, job), flips);
    const float share = 1.0F / static_cast<float>(flips_.size() + 1);  // A power of two: exact.
    parallel_for(0, classes_, [&](std::int64_t k) {
      const std::int64_t n = patch_[0] * patch_[1] * patch_[2];
      for (std::int64_t i = k * n; i < (k + 1) * n; ++i) sum.values[static_cast<std::size_t>(i)] *= share;
    });
    return sum;
  }

  /// The mean of the folds' logits of the next slice, as the exporter takes it; its room is free then.
  std::vector<float> finish(std::int64_t row_length) {
    const std::int64_t H = extent_[1], W = extent_[2];
    const auto n = static_cast<std::size_t>(W);
    std::vector<float> out(static_cast<std::size_t>(H * classes_ * row_length));
    std::vector<std::uint8_t> finite(static_cast<std::size_t>(H), 1);
    parallel_for(0, H, [&](std::int64_t y) {
      std::vector<float> other(n), ones(n, 1.0F), count(n, static_cast<float>(sums_.size()));
      std::vector<T> folds(n);
      from_float(count.data(), folds.data(), n);
      for (std::int64_t k = 0; k < classes_; ++k) {
        T* mean = nullptr;
        for (TileSums<T>& sums : sums_) {
          T* row = sums.row(next_, y, k);
          bool good = divide(row, weights_.row(next_, y, 0), n);
          if (mean) {
            to_float(row, other.data(), n);
            accumulate(mean, other.data(), ones.data(), n);
          } else {
            mean = row;
          }
          if (!good) finite[static_cast<std::size_t>(y)] = 0;
        }
        if (sums_.size() > 1 && !divide(mean, folds.data(), n)) finite[static_cast<std::size_t>(y)] = 0;
        float* to = out.data() + (y * classes_ + k) * row_length;
        to_float(mean, to + 1, n);
        to[0] = to[1];
        to[W + 1] = to[W];
      }
    });
    if (std::count(finite.begin(), finite.end(), 0) > 0)
      throw Error(ErrorCode::result_not_finite,
                  "the network's output is not finite, or too great for half precision; check the model");
    weights_.clear(next_);
    for (TileSums<T>& sums : sums_) sums.clear(next_);
    return out;
  }

  const Prediction& prediction_;
  const Tensor& data_;
  const Dhw extent_, patch_;
  const bool is_2d_;
  const std::int64_t classes_;
  const std::vector<Flips> flips_;
  const Tensor importance_, ones_;
  TileSums<T> weights_;
  std::vector<TileSums<T>> sums_;  ///< Of each fold.
  std::int64_t next_ = 0;          ///< Slice that is not exported yet.
};

}  // namespace

std::vector<std::uint8_t> predict_labels(const Prediction& prediction, const Plans& plans,
                                         const Configuration& configuration, const Case& input, const Job& job,
                                         std::vector<float>* probabilities) {
  Exporter exporter(plans, configuration, input, prediction.accumulators, probabilities);
  const auto run = [&](auto window) { window.run(exporter, job); };
  const auto classes = static_cast<std::int64_t>(plans.labels.classes().size());
  try {
    if (prediction.accumulators == Accumulators::reference)
      run(Window<std::uint16_t>(prediction, input, configuration.patch_size, configuration.is_2d(), classes));
    else
      run(Window<float>(prediction, input, configuration.patch_size, configuration.is_2d(), classes));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory,
                "memory ran out for the logits of one patch's depth; use fewer folds or a machine with more memory");
  }
  return exporter.take_labels();
}

}  // namespace oncotome::engine::nnunet
