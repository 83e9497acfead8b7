// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "array.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/components.h"
#include "oncotome/engine/preparation.h"

namespace oncotome::engine::monai {
namespace {

/// The voxels of one channel, or of all.
struct Span {
  float* begin;
  float* end;
};

std::vector<Span> spans(Tensor& t, bool channel_wise) {
  float* const first = t.values.data();
  if (!channel_wise) return {{first, first + t.values.size()}};
  std::vector<Span> out;
  const std::size_t count = t.values.size() / static_cast<std::size_t>(t.shape[0]);
  for (std::int64_t c = 0; c < t.shape[0]; ++c) {
    float* const begin = first + static_cast<std::size_t>(c) * count;
    out.push_back({begin, begin + count});
  }
  return out;
}

void scale_range(const Span& span, double a_min, double a_max, const std::optional<double>& b_min,
                 const std::optional<double>& b_max, bool clip) {
  const auto low = static_cast<float>(a_min);
  const bool flat = a_max == a_min;
  const float width = flat ? 1.0F : static_cast<float>(a_max - a_min);
  for (float* v = span.begin; v != span.end; ++v) {
    float x = (*v - low) / width;
    if (flat) {
      *v = b_min ? x + static_cast<float>(*b_min) : x;
      continue;
    }
    if (b_min && b_max) x = x * static_cast<float>(*b_max - *b_min) + static_cast<float>(*b_min);
    if (clip && b_min) x = std::max(x, static_cast<float>(*b_min));
    if (clip && b_max) x = std::min(x, static_cast<float>(*b_max));
    *v = x;
  }
}

class Preparer {
 public:
  explicit Preparer(Array& array) : array_(array) {}

  void operator()(const Orient& wanted) {
    const std::array<std::size_t, 3> world = patient_axes(array_.axis);
    Reordered how{};
    const std::string along = "LPS", opposite = "RAI";
    for (std::size_t t = 0; t < 3; ++t) {
      const std::size_t w = std::min(along.find(wanted.codes[t]), opposite.find(wanted.codes[t]));
      how.from[t] = static_cast<std::size_t>(std::find(world.begin(), world.end(), w) - world.begin());
      how.flip[t] = (array_.axis[how.from[t]][w] < 0) != (wanted.codes[t] == opposite[w]);
    }
    const Array before{{}, array_.axis, array_.spacing_mm};
    for (std::size_t t = 0; t < 3; ++t) {
      array_.axis[t] = (how.flip[t] ? -1.0 : 1.0) * before.axis[how.from[t]];
      array_.spacing_mm[t] = before.spacing_mm[how.from[t]];
    }
    array_.data = reorder(array_.data, how);
    history.emplace_back(how);
  }

  void operator()(const Respace& wanted) {
    constexpr double kTolerance = 1e-3;  // MONAI's AFFINE_TOL
    const Dhw before = array_.size();
    Resampled how{before, {}, {}, wanted.nearest, wanted.zeros_outside, wanted.align_corners};
    // The Cholesky factor of the affine as a NIfTI header holds it. Its rounding decides: axes that are orthogonal to
    // 1e-8 keep the first voxel's place, others the center of the image, as MONAI does.
    std::array<Vec3, 3> column;
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t r = 0; r < 3; ++r) column[a][r] = static_cast<float>(array_.axis[a][r] * array_.spacing_mm[a]);
    std::array<Vec3, 3> factor{};
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t b = a; b < 3; ++b) {
        double sum = dot(column[a], column[b]);
        for (std::size_t k = 0; k < a; ++k) sum -= factor[k][a] * factor[k][b];
        factor[a][b] = a == b ? std::sqrt(sum) : sum / factor[a][a];
      }
    Dhw size;
    Vec3 spacing;
    bool corner = true;
    for (std::size_t a = 0; a < 3; ++a) {
      const double old = norm(column[a]);
      spacing[a] = wanted.spacing_mm[a];
      if (!(spacing[a] > 0) || std::abs(spacing[a] - old) <= kTolerance) spacing[a] = old;
      how.step[a] = spacing[a] / old;
      double extent = 0, least = 0;
      for (std::size_t b = a; b < 3; ++b) {
        const double part = factor[a][b] * static_cast<double>(before[b] - 1) / spacing[a];
        extent += std::abs(part);
        least += std::min(part, 0.0);
      }
      corner = corner && least >= -1e-8;
      extent = std::nearbyint(extent + 1);
      if (!(extent >= 1 && extent <= 4096))
        throw Error(ErrorCode::precondition_unmet,
                    "the model's voxel spacing would make more than 4096 voxels along an axis");
      size[a] = static_cast<std::int64_t>(extent);
    }
    bool same = true;
    for (std::size_t a = 0; a < 3; ++a) {
      if (!corner) how.start[a] = static_cast<double>(before[a]) / 2 - how.step[a] * (static_cast<double>(size[a]) / 2);
      same = same && size[a] == before[a] && std::abs(how.step[a] - 1) <= kTolerance + 1e-5 &&
             std::abs(how.start[a]) <= kTolerance;
    }
    if (same) return;
    check_voxel_count(size);
    array_.data = resample(array_.data, size, how);
    array_.spacing_mm = spacing;
    history.emplace_back(how);
  }

  void operator()(const ScaleRange& wanted) {
    for (const Span& span : spans(array_.data, false))
      scale_range(span, wanted.a_min, wanted.a_max, wanted.b_min, wanted.b_max, wanted.clip);
  }

  void operator()(const ScaleToRange& wanted) {
    for (const Span& span : spans(array_.data, wanted.channel_wise)) {
      if (!wanted.low && !wanted.high) {
        for (float* v = span.begin; v != span.end; ++v) *v *= static_cast<float>(1 + wanted.factor);
        continue;
      }
      const auto [least, most] = std::minmax_element(span.begin, span.end);
      const float low = *least, width = *most - *least;
      for (float* v = span.begin; v != span.end; ++v) {
        if (width == 0)
          *v = wanted.low ? *v * static_cast<float>(*wanted.low) : *v;
        else if (wanted.low && wanted.high)
          *v = (*v - low) / width * static_cast<float>(*wanted.high - *wanted.low) + static_cast<float>(*wanted.low);
        else
          *v = (*v - low) / width;
      }
    }
  }

  void operator()(const Normalize& wanted) {
    std::size_t next = 0;
    for (const Span& span : spans(array_.data, wanted.channel_wise)) {
      const std::size_t channel = next++;
      double mean = 0, squares = 0, count = 0;
      const auto used = [&](float v) { return !wanted.nonzero || v != 0; };
      for (const float* v = span.begin; v != span.end; ++v)
        if (used(*v)) {
          mean += *v;
          ++count;
        }
      if (count == 0) continue;
      mean /= count;
      for (const float* v = span.begin; v != span.end; ++v)
        if (used(*v)) squares += (*v - mean) * (*v - mean);
      double deviation = std::sqrt(squares / count);
      if (!wanted.subtrahend.empty()) mean = wanted.subtrahend.at(std::min(channel, wanted.subtrahend.size() - 1));
      if (!wanted.divisor.empty()) deviation = wanted.divisor.at(std::min(channel, wanted.divisor.size() - 1));
      const auto m = static_cast<float>(mean), d = static_cast<float>(deviation == 0 ? 1 : deviation);
      for (float* v = span.begin; v != span.end; ++v)
        if (used(*v)) *v = (*v - m) / d;
    }
  }

  void operator()(const ScalePercentiles& wanted) {
    for (const Span& span : spans(array_.data, wanted.channel_wise)) {
      std::optional<double> b_min = wanted.b_min, b_max = wanted.b_max;
      if (wanted.relative && b_min && b_max) {
        const double width = *wanted.b_max - *wanted.b_min;
        b_min = width * (wanted.lower / 100) + *wanted.b_min;
        b_max = width * (wanted.upper / 100) + *wanted.b_min;
      }
      std::vector<float> values(span.begin, span.end);
      const double low = quantile(values, wanted.lower / 100), high = quantile(values, wanted.upper / 100);
      scale_range(span, low, high, b_min, b_max, wanted.clip);
    }
  }

  void operator()(const CropForeground& wanted) {
    const Dhw in = array_.size();
    Mask mask(static_cast<std::size_t>(in[0] * in[1] * in[2]));
    const float* v = array_.data.values.data();
    for (std::int64_t c = 0; c < array_.data.shape[0]; ++c)
      for (std::uint8_t& set : mask)
        if (*v++ > 0) set = 1;
    Index3 first, last;
    const bool found = bounding_box(mask, {in[2], in[1], in[0]}, 0, first, last);
    std::swap(first[0], first[2]);
    std::swap(last[0], last[2]);
    if (!found)
      throw Error(ErrorCode::precondition_unmet,
                  "no voxel of the image is above zero: it has no foreground to crop to");
    Dhw size;
    for (std::size_t a = 0; a < 3; ++a) {
      first[a] -= wanted.margin[a];
      std::int64_t end = last[a] + wanted.margin[a] + 1;
      if (wanted.within) {
        first[a] = std::max<std::int64_t>(first[a], 0);
        end = std::min(end, in[a]);
      }
      size[a] = (end - first[a] + wanted.divisor[a] - 1) / wanted.divisor[a] * wanted.divisor[a];
      first[a] -= (size[a] - (end - first[a])) / 2;
    }
    shift_by(first, size, wanted.edge, 0);
  }

  void operator()(const PadTo& wanted) {
    const Dhw in = array_.size();
    Dhw size, offset{0, 0, 0};
    for (std::size_t a = 0; a < 3; ++a) {
      const std::int64_t k = std::max<std::int64_t>(wanted.size[a], 1);
      size[a] = wanted.multiples ? (in[a] + k - 1) / k * k : std::max(in[a], wanted.size[a]);
      if (!wanted.at_end) offset[a] = -((size[a] - in[a]) / 2);
    }
    shift_by(offset, size, wanted.edge, wanted.value);
  }

  History history;

 private:
  void shift_by(const Dhw& offset, const Dhw& size, Edge edge, double value) {
    check_voxel_count(size);
    history.emplace_back(Shifted{offset, array_.size()});
    array_.data = shift(array_.data, offset, size, edge, static_cast<float>(value));
  }

  Array& array_;
};

}  // namespace

History prepare(Array& array, const std::vector<Transform>& transforms, const Job& job) {
  Preparer preparer(array);
  for (const Transform& transform : transforms) {
    job.check();
    std::visit(preparer, transform);
  }
  return std::move(preparer.history);
}

}  // namespace oncotome::engine::monai
