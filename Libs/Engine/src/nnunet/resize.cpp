// SPDX-License-Identifier: Apache-2.0
#include "resize.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"

namespace oncotome::engine::nnunet {
namespace {

constexpr double kAnisotropy = 3;
constexpr std::int64_t kMostIntermediate = 96LL << 20;  // Doubles.
constexpr double kPole = -0.26794919243112270647;       // sqrt(3) - 2

// scipy.ndimage.zoom(grid_mode=True, mode="nearest").
AxisTaps spline_taps(std::int64_t from, std::int64_t to, int order) {
  AxisTaps taps{from, to, order == 3 ? 4U : order == 1 ? 2U : 1U, order == 3, {}, {}};
  const double zoom = static_cast<double>(from) / static_cast<double>(to);
  for (std::int64_t k = 0; k < to; ++k) {
    const double center = (static_cast<double>(k) + 0.5) * zoom - 0.5;
    const auto clamped = [&](double i) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(i)), 0, from - 1);
    };
    if (order == 0) {
      taps.index.push_back(clamped(center + 0.5));
      taps.weight.push_back(1);
    } else if (order == 1) {
      // Beyond an end both taps are the end's sample: their sum rounds other than one tap of weight 1.
      const double t = center - std::floor(center);
      taps.index.insert(taps.index.end(), {clamped(center), clamped(center + 1)});
      taps.weight.insert(taps.weight.end(), {1 - t, 1 - (1 - t)});
    } else {
      const auto low = static_cast<std::int64_t>(std::floor(center));
      const double t = center - std::floor(center), u = 1 - t;
      const double w0 = u * u * u / 6, w1 = (t * t * (t - 2) * 3 + 4) / 6, w2 = (u * u * (u - 2) * 3 + 4) / 6;
      taps.index.insert(taps.index.end(), {low - 1, low, low + 1, low + 2});
      taps.weight.insert(taps.weight.end(), {w0, w1, w2, 1 - w0 - w1 - w2});
    }
  }
  return taps;
}

// torch.nn.functional.interpolate, bilinear or nearest-exact; positions are floats there, by one fused operation.
AxisTaps torch_taps(std::int64_t from, std::int64_t to, bool nearest) {
  AxisTaps taps{from, to, nearest ? 1U : 2U, false, {}, {}};
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  for (std::int64_t k = 0; k < to; ++k) {
    const float center = std::fma(scale, static_cast<float>(k) + 0.5F, -0.5F);
    if (nearest) {
      taps.index.push_back(std::min(static_cast<std::int64_t>(std::floor(center + 0.5F)), from - 1));
      taps.weight.push_back(1);
    } else {
      const float kept = std::max(center, 0.0F);
      const auto low = std::min(static_cast<std::int64_t>(kept), from - 1);
      const float t = std::min(kept - static_cast<float>(low), 1.0F);
      taps.index.insert(taps.index.end(), {low, std::min(low + 1, from - 1)});
      taps.weight.insert(taps.weight.end(), {static_cast<double>(1 - t), static_cast<double>(t)});
    }
  }
  return taps;
}

// The axis whose voxels are longest, unless several are.
std::optional<std::size_t> longest_axis(const Vec3& spacing) {
  const double longest = *std::max_element(spacing.begin(), spacing.end());
  std::optional<std::size_t> axis;
  for (std::size_t a = 0; a < 3; ++a) {
    if (longest / spacing[a] != 1) continue;
    if (axis) return std::nullopt;
    axis = a;
  }
  return axis;
}

std::optional<std::size_t> axis_apart(const Resampling& resampling, const Vec3& spacing, const Vec3& new_spacing) {
  if (resampling.force_separate_z) return *resampling.force_separate_z ? longest_axis(spacing) : std::nullopt;
  for (const Vec3* s : {&spacing, &new_spacing}) {
    const auto [least, most] = std::minmax_element(s->begin(), s->end());
    if (*most / *least > kAnisotropy) return longest_axis(*s);
  }
  return std::nullopt;
}

constexpr std::size_t kLanes = 16;
using Lanes = std::array<double, kLanes>;

// Turns samples 0..n-1 of lines[2..] into B-spline coefficients, 2 more at either end; the outermost samples go on
// for ever. The spline's gain of 6 is left to the caller.
void prefilter(std::vector<Lanes>& lines, std::size_t n) {
  const Lanes last = lines[n + 1];
  for (std::size_t l = 0; l < kLanes; ++l) lines[0][l] = lines[1][l] = lines[2][l] / (1 - kPole);
  for (std::size_t i = 2; i < n + 2; ++i)
    for (std::size_t l = 0; l < kLanes; ++l) lines[i][l] += kPole * lines[i - 1][l];
  for (std::size_t i = n + 2; i < n + 4; ++i)
    for (std::size_t l = 0; l < kLanes; ++l) lines[i][l] = last[l] + kPole * lines[i - 1][l];
  for (std::size_t l = 0; l < kLanes; ++l) {
    const double limit = last[l] / (1 - kPole), rest = lines[n + 3][l] - limit;
    lines[n + 3][l] = -kPole * (limit / (1 - kPole) + rest / (1 - kPole * kPole));
  }
  for (std::size_t i = n + 3; i-- > 0;)
    for (std::size_t l = 0; l < kLanes; ++l) lines[i][l] = kPole * (lines[i + 1][l] - lines[i][l]);
}

// Resamples `lanes` lines at once: value i of line l is in[i * step + l * lane_step]. put(k, values) gets outputs
// first..last-1.
template <class T, class Put>
void run(const AxisTaps& taps, const T* in, std::int64_t step, std::int64_t lane_step, std::size_t lanes,
         std::int64_t first, std::int64_t last, std::vector<Lanes>& lines, Put&& put) {
  const auto n = static_cast<std::size_t>(taps.from);
  lines.resize(n + 4);
  for (std::size_t i = 0; i < n; ++i) {
    const T* from = in + static_cast<std::int64_t>(i) * step;
    Lanes& line = lines[i + 2];
    for (std::size_t l = 0; l < lanes; ++l)
      line[l] = static_cast<double>(from[static_cast<std::int64_t>(l) * lane_step]);
    for (std::size_t l = lanes; l < kLanes; ++l) line[l] = 0;
  }
  if (taps.prefilter) prefilter(lines, n);
  const double gain = taps.prefilter ? 6 : 1;
  for (std::int64_t k = first; k < last; ++k) {
    Lanes sum{};
    for (std::size_t i = 0; i < taps.count; ++i) {
      const std::size_t at = static_cast<std::size_t>(k) * taps.count + i;
      const double weight = gain * taps.weight[at];
      const Lanes& line = lines[static_cast<std::size_t>(taps.index[at] + 2)];
      for (std::size_t l = 0; l < kLanes; ++l) sum[l] += weight * line[l];
    }
    put(k, sum);
  }
}

struct Scratch {
  std::vector<Lanes> lines;
  std::vector<double> rows, slice;
};

struct Range {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
};

/// One channel, seen as slices across the last axis to be resampled.
class Channel {
 public:
  Channel(const Resizing& r, const float* in, float* out)
      : along_(r.axes[r.apart.value_or(0)]),
        across_{&r.axes[r.apart.value_or(0) == 0 ? 1 : 0], &r.axes[r.apart.value_or(0) == 2 ? 1 : 2]},
        clips_slices_(r.clips && r.apart),
        in_(in),
        out_(out) {
    const std::size_t axis = r.apart.value_or(0);
    in_steps_ = steps(axis, r.axes[1].from, r.axes[2].from);
    out_steps_ = steps(axis, r.axes[1].to, r.axes[2].to);
    if (r.clips && !r.apart) {
      const auto [least, most] = std::minmax_element(in, in + r.axes[0].from * r.axes[1].from * r.axes[2].from);
      range_ = {static_cast<double>(*least), static_cast<double>(*most)};
    }
  }

  void resample() {
    if (along_.count == 1 || along_.from == along_.to)
      by_slice();
    else
      by_rows();
  }

 private:
  using Steps = std::array<std::int64_t, 3>;  // Along, then across.

  static Steps steps(std::size_t axis, std::int64_t h, std::int64_t w) {
    const Steps all{h * w, w, 1};
    return {all[axis], all[axis == 0 ? 1 : 0], all[axis == 2 ? 1 : 2]};
  }

  // Rows first..last-1 of slice s, resampled across, in s.slice.
  void across(std::int64_t s, std::int64_t first, std::int64_t last, Scratch& scratch) const {
    const AxisTaps &p = *across_[0], &q = *across_[1];
    const float* slice = in_ + s * in_steps_[0];
    scratch.rows.resize(static_cast<std::size_t>((last - first) * q.from));
    scratch.slice.resize(static_cast<std::size_t>((last - first) * q.to));
    Range range;
    if (clips_slices_) range = range_of(slice);
    std::vector<double>& rows = q.from == q.to ? scratch.slice : scratch.rows;
    for_each_block(q.from, [&](std::int64_t x, std::size_t lanes) {
      const auto put = [&](std::int64_t k, const Lanes& values) {
        std::copy_n(values.begin(), lanes, rows.begin() + (k - first) * q.from + x);
      };
      if (p.from != p.to) {
        run(p, slice + x * in_steps_[2], in_steps_[1], in_steps_[2], lanes, first, last, scratch.lines, put);
        return;
      }
      for (std::int64_t k = first; k < last; ++k)
        for (std::size_t l = 0; l < lanes; ++l) {
          const auto column = x + static_cast<std::int64_t>(l);
          rows[static_cast<std::size_t>((k - first) * q.from + column)] =
              static_cast<double>(slice[k * in_steps_[1] + column * in_steps_[2]]);
        }
    });
    if (q.from != q.to)
      for_each_block(last - first, [&](std::int64_t y, std::size_t lanes) {
        run(q, rows.data() + y * q.from, 1, q.from, lanes, 0, q.to, scratch.lines,
            [&](std::int64_t k, const Lanes& values) {
              for (std::size_t l = 0; l < lanes; ++l)
                scratch.slice[static_cast<std::size_t>((y + static_cast<std::int64_t>(l)) * q.to + k)] = values[l];
            });
      });
    if (clips_slices_)
      for (double& value : scratch.slice) value = std::clamp(value, range.least, range.most);
  }

  Range range_of(const float* slice) const {
    float least = *slice, most = *slice;
    for (std::int64_t i = 0; i < across_[0]->from; ++i)
      for (std::int64_t j = 0; j < across_[1]->from; ++j) {
        const float value = slice[i * in_steps_[1] + j * in_steps_[2]];
        least = std::min(least, value);
        most = std::max(most, value);
      }
    return {static_cast<double>(least), static_cast<double>(most)};
  }

  // Each output slice comes from one of the input's.
  void by_slice() const {
    const AxisTaps &p = *across_[0], &q = *across_[1];
    const auto source = [&](std::int64_t k) {
      return along_.from == along_.to ? k : along_.index[static_cast<std::size_t>(k)];
    };
    parallel_for(0, along_.from, [&](std::int64_t s) {
      std::int64_t k = std::max<std::int64_t>(0, s * along_.to / along_.from - 1);
      while (k < along_.to && source(k) < s) ++k;
      if (k == along_.to || source(k) != s) return;
      Scratch scratch;
      across(s, 0, p.to, scratch);
      for (; k < along_.to && source(k) == s; ++k)
        for (std::int64_t i = 0; i < p.to; ++i)
          for (std::int64_t j = 0; j < q.to; ++j)
            out_[k * out_steps_[0] + i * out_steps_[1] + j * out_steps_[2]] = static_cast<float>(
                std::clamp(scratch.slice[static_cast<std::size_t>(i * q.to + j)], range_.least, range_.most));
    });
  }

  // All slices are resampled across, as many rows of them as memory allows, then along.
  void by_rows() const {
    const AxisTaps &p = *across_[0], &q = *across_[1];
    const std::int64_t most = std::clamp<std::int64_t>(kMostIntermediate / (along_.from * q.to), 1, p.to);
    std::vector<double> slices(static_cast<std::size_t>(along_.from * most * q.to));
    for (std::int64_t first = 0; first < p.to; first += most) {
      const std::int64_t rows = std::min(most, p.to - first);
      parallel_for(0, along_.from, [&](std::int64_t s) {
        Scratch scratch;
        across(s, first, first + rows, scratch);
        // What one row needs of all slices lies together: the pass along it is bound by memory.
        for (std::int64_t row = 0; row < rows; ++row)
          std::copy_n(scratch.slice.begin() + row * q.to, q.to, slices.begin() + (row * along_.from + s) * q.to);
      });
      parallel_for(0, rows, [&](std::int64_t row) {
        std::vector<Lanes> lines;
        std::vector<float> made(static_cast<std::size_t>(along_.to * q.to));
        for_each_block(q.to, [&](std::int64_t x, std::size_t lanes) {
          run(along_, slices.data() + row * along_.from * q.to + x, q.to, 1, lanes, 0, along_.to, lines,
              [&](std::int64_t k, const Lanes& values) {
                for (std::size_t l = 0; l < lanes; ++l)
                  made[static_cast<std::size_t>(k * q.to + x) + l] =
                      static_cast<float>(std::clamp(values[l], range_.least, range_.most));
              });
        });
        for (std::int64_t k = 0; k < along_.to; ++k) {
          float* out = out_ + k * out_steps_[0] + (first + row) * out_steps_[1];
          for (std::int64_t x = 0; x < q.to; ++x) out[x * out_steps_[2]] = made[static_cast<std::size_t>(k * q.to + x)];
        }
      });
    }
  }

  template <class F>
  static void for_each_block(std::int64_t count, F&& f) {
    for (std::int64_t i = 0; i < count; i += kLanes)
      f(i, static_cast<std::size_t>(std::min<std::int64_t>(kLanes, count - i)));
  }

  const AxisTaps& along_;
  const std::array<const AxisTaps*, 2> across_;
  const bool clips_slices_;
  const float* in_;
  float* out_;
  Steps in_steps_{}, out_steps_{};
  Range range_;
};

}  // namespace

std::optional<Resizing> plan_resizing(const Resampling& resampling, const Dhw& from, const Dhw& to,
                                      const Vec3& spacing_mm, const Vec3& new_spacing_mm) {
  if (resampling.function == Resampling::Function::none || from == to) return std::nullopt;
  const bool is_torch = resampling.function == Resampling::Function::torch;
  for (const int order : {resampling.order, resampling.order_z})
    if (order != 0 && order != 1 && order != 3)
      throw Error(ErrorCode::model_unsupported,
                  "the plans resample with order " + std::to_string(order) + "; 0, 1 and 3 are supported");
  Resizing out;
  out.apart = axis_apart(resampling, spacing_mm, new_spacing_mm);
  out.clips = !is_torch;
  for (std::size_t a = 0; a < 3; ++a) {
    const bool is_apart = out.apart == a;
    out.axes[a] = is_torch ? torch_taps(from[a], to[a], is_apart)
                           : spline_taps(from[a], to[a], is_apart ? resampling.order_z : resampling.order);
  }
  return out;
}

void resize(const Resizing& resizing, const float* in, float* out) { Channel(resizing, in, out).resample(); }

}  // namespace oncotome::engine::nnunet
