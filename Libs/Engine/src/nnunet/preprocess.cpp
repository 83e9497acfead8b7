// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cmath>

#include "case.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "oncotome/engine/components.h"
#include "resize.h"

namespace oncotome::engine::nnunet {
namespace {

constexpr double kMostValues = 1e11;
constexpr float kLeastDeviation = 1e-8F;

/// The cropped box of an image, axes transposed, within the image as stored.
struct Box {
  Dhw first{}, size{}, steps{};  ///< Of the transposed axes.

  std::size_t count() const { return static_cast<std::size_t>(size[0] * size[1] * size[2]); }
};

// f(voxel of the box, of the stored image) for each voxel of the box; slices at once.
template <class F>
void for_each_voxel(const Box& box, F&& f) {
  parallel_for(0, box.size[0], [&](std::int64_t z) {
    auto to = static_cast<std::size_t>(z * box.size[1] * box.size[2]);
    for (std::int64_t y = 0; y < box.size[1]; ++y) {
      std::int64_t from =
          (z + box.first[0]) * box.steps[0] + (y + box.first[1]) * box.steps[1] + box.first[2] * box.steps[2];
      for (std::int64_t x = 0; x < box.size[2]; ++x, ++to, from += box.steps[2]) f(to, static_cast<std::size_t>(from));
    }
  });
}

Dhw transposed(const Dhw& stored, const std::array<std::size_t, 3>& order) {
  return {stored[order[0]], stored[order[1]], stored[order[2]]};
}

// The box of what is not zero in any channel, all of the image where everything is; axes as stored.
std::pair<Dhw, Dhw> nonzero_box(const Tensor& image, const Dhw& size) {
  const std::int64_t slice = size[1] * size[2];
  std::atomic<bool> is_finite{true};
  std::vector<std::array<Dhw, 2>> boxes(static_cast<std::size_t>(size[0]), {Dhw{size}, Dhw{-1, -1, -1}});
  parallel_for(0, size[0], [&](std::int64_t z) {
    auto& [first, last] = boxes[static_cast<std::size_t>(z)];
    for (std::int64_t c = 0; c < image.shape[0]; ++c) {
      const float* row = image.values.data() + (c * size[0] + z) * slice;
      for (std::int64_t y = 0; y < size[1]; ++y, row += size[2]) {
        if (!std::all_of(row, row + size[2], [](float v) { return std::isfinite(v); })) is_finite = false;
        const auto is_set = [](float v) { return v != 0; };
        const float* begin = std::find_if(row, row + size[2], is_set);
        if (begin == row + size[2]) continue;
        const float* end = row + size[2];
        while (!is_set(end[-1])) --end;
        const Dhw low{z, y, begin - row}, high{z, y, end - 1 - row};
        for (std::size_t a = 0; a < 3; ++a) {
          first[a] = std::min(first[a], low[a]);
          last[a] = std::max(last[a], high[a]);
        }
      }
    }
  });
  if (!is_finite)
    throw Error(ErrorCode::precondition_unmet,
                "the image has values that are not finite: correct it before it is used");
  Dhw first = size, last{-1, -1, -1};
  for (const auto& box : boxes)
    for (std::size_t a = 0; a < 3; ++a) {
      first[a] = std::min(first[a], box[0][a]);
      last[a] = std::max(last[a], box[1][a]);
    }
  if (last[0] < 0) return {{0, 0, 0}, size};
  return {first, {last[0] - first[0] + 1, last[1] - first[1] + 1, last[2] - first[2] + 1}};
}

// What is not zero in any channel of the box, and holes in that; a hole meets no face of the box.
Mask nonzero_mask(const Tensor& image, const Box& box) {
  Mask mask(box.count());
  const std::size_t channel = image.values.size() / static_cast<std::size_t>(image.shape[0]);
  for_each_voxel(box, [&](std::size_t to, std::size_t from) {
    for (; from < image.values.size(); from += channel) mask[to] = mask[to] != 0 || image.values[from] != 0;
  });
  for (std::uint8_t& m : mask) m = m == 0;
  const auto& [d, h, w] = box.size;
  const Components zeros = connected_components(mask, {w, h, d}, Connectivity::faces6);
  std::vector<std::uint8_t> is_hole(zeros.voxel_counts.size() + 1, 1);
  std::size_t voxel = 0;
  for (std::int64_t z = 0; z < d; ++z)
    for (std::int64_t y = 0; y < h; ++y)
      for (std::int64_t x = 0; x < w; ++x, ++voxel)
        if (z == 0 || y == 0 || x == 0 || z + 1 == d || y + 1 == h || x + 1 == w)
          is_hole[static_cast<std::size_t>(zeros.labels[voxel])] = 0;
  is_hole[0] = 1;
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = is_hole[static_cast<std::size_t>(zeros.labels[i])];
  return mask;
}

// numpy's sum of single-precision values in a row, for its rounding decides what a constant image becomes.
template <class F>
float pairwise_sum(std::size_t first, std::size_t count, const F& value) {
  if (count > 128) {
    const std::size_t half = count / 2 / 8 * 8;
    return pairwise_sum(first, half, value) + pairwise_sum(first + half, count - half, value);
  }
  float sum = 0;
  std::size_t i = 0;
  if (count >= 8) {
    std::array<float, 8> sums{};
    for (; i + 8 <= count; i += 8)
      for (std::size_t l = 0; l < 8; ++l) sums[l] += value(first + i + l);
    sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  }
  for (; i < count; ++i) sum += value(first + i);
  return sum;
}

template <class F>
float mean_of(std::size_t count, const F& value) {
  return static_cast<float>(static_cast<double>(pairwise_sum(0, count, value)) / static_cast<double>(count));
}

void normalize_zscore(float* values, std::size_t count, const Mask& mask) {
  std::vector<float> chosen;
  if (!mask.empty())
    for (std::size_t i = 0; i < count; ++i)
      if (mask[i]) chosen.push_back(values[i]);
  if (!mask.empty() && chosen.empty()) return;
  const float* from = mask.empty() ? values : chosen.data();
  const std::size_t n = mask.empty() ? count : chosen.size();
  const float mean = mean_of(n, [from](std::size_t i) { return from[i]; });
  const float variance = mean_of(n, [from, mean](std::size_t i) { return (from[i] - mean) * (from[i] - mean); });
  const float deviation = std::max(std::sqrt(variance), kLeastDeviation);
  for (std::size_t i = 0; i < count; ++i)
    if (mask.empty() || mask[i]) values[i] = (values[i] - mean) / deviation;
}

// In single precision throughout, as numpy does.
void normalize(Normalization scheme, const Intensities& of, const Mask& mask, float* values, std::size_t count) {
  const auto [least, most] = std::minmax_element(values, values + count);
  float shift = 0, scale = 1;
  switch (scheme) {
    case Normalization::none:
      return;
    case Normalization::zscore:
      return normalize_zscore(values, count, mask);
    case Normalization::ct: {
      const auto low = static_cast<float>(of.percentile_00_5), high = static_cast<float>(of.percentile_99_5);
      for (std::size_t i = 0; i < count; ++i) values[i] = std::min(std::max(values[i], low), high);
      shift = static_cast<float>(of.mean);
      scale = static_cast<float>(std::max(of.std, 1e-8));
      break;
    }
    case Normalization::rescale_to_0_1:
      shift = *least;
      scale = std::max(*most - shift, kLeastDeviation);
      break;
    case Normalization::rgb_to_0_1:
      if (*least < 0 || *most > 255)
        throw Error(ErrorCode::precondition_unmet, "the model expects color values of 0 to 255; the image has others");
      scale = 255;
      break;
  }
  for (std::size_t i = 0; i < count; ++i) values[i] = (values[i] - shift) / scale;
}

// As nnU-Net rounds: halves to the even number.
Dhw new_shape(const Dhw& size, const Vec3& spacing, const Vec3& target, std::int64_t channels) {
  Dhw out{};
  double values = static_cast<double>(channels);
  for (std::size_t a = 0; a < 3; ++a) {
    const double length = std::nearbyint(spacing[a] / target[a] * static_cast<double>(size[a]));
    values *= length;
    if (!(length >= 1) || !(values <= kMostValues))
      throw Error(ErrorCode::precondition_unmet,
                  "at the model's spacing the image would have no voxel along an axis, or too many: is the image's "
                  "spacing right?");
    out[a] = static_cast<std::int64_t>(length);
  }
  return out;
}

void check_input(const Plans& plans, const Configuration& configuration, const Tensor& image, const Vec3& spacing_mm,
                 const std::vector<std::uint8_t>* previous) {
  const std::size_t channels = plans.channel_names.size();
  if (image.shape.size() != 4 || image.values.empty() || static_cast<std::size_t>(image.shape[0]) != channels)
    throw Error(ErrorCode::precondition_unmet, "the model expects " + std::to_string(channels) +
                                                   " image channels; there are " +
                                                   std::to_string(image.shape.empty() ? 0 : image.shape[0]));
  if (!std::all_of(spacing_mm.begin(), spacing_mm.end(), [](double s) { return s > 0 && std::isfinite(s); }))
    throw Error(ErrorCode::precondition_unmet, "the image's spacing is not positive");
  if ((previous == nullptr) != configuration.previous_stage.empty())
    throw Error(ErrorCode::precondition_unmet, previous ? "the configuration expects no labels of a previous stage"
                                                        : "the configuration needs the labels of configuration " +
                                                              configuration.previous_stage + " on the same image");
  if (previous != nullptr && previous->size() * channels != image.values.size())
    throw Error(ErrorCode::precondition_unmet, "the labels of the previous stage are not on the image's grid");
}

}  // namespace

Case preprocess(const Plans& plans, const Configuration& configuration, const Tensor& image, const Vec3& spacing_mm,
                const std::vector<std::uint8_t>* previous, const Job& job) {
  check_input(plans, configuration, image, spacing_mm, previous);
  const std::array<std::size_t, 3>& order = plans.transpose_forward;
  const std::int64_t channels = image.shape[0];
  const Dhw stored{image.shape[1], image.shape[2], image.shape[3]};
  const auto [first, size] = nonzero_box(image, stored);
  const Box box{transposed(first, order), transposed(size, order),
                transposed({stored[1] * stored[2], stored[2], 1}, order)};
  job.check();

  Case out;
  out.shape = transposed(stored, order);
  out.crop_first = box.first;
  out.crop_size = box.size;
  out.spacing_mm = {spacing_mm[order[0]], spacing_mm[order[1]], spacing_mm[order[2]]};
  const std::vector<double>& target = configuration.spacing_mm;
  out.target_spacing_mm = {configuration.is_2d() ? out.spacing_mm[0] : target[0], target[target.size() - 2],
                           target.back()};

  const std::vector<int> foreground = previous ? plans.labels.foreground() : std::vector<int>();
  const auto of_labels = static_cast<std::int64_t>(foreground.size());
  const Dhw shape = configuration.resample_data.function == Resampling::Function::none
                        ? box.size
                        : new_shape(box.size, out.spacing_mm, out.target_spacing_mm, channels + of_labels);
  const auto resizing =
      plan_resizing(configuration.resample_data, box.size, shape, out.spacing_mm, out.target_spacing_mm);
  out.data.shape = {channels + of_labels, shape[0], shape[1], shape[2]};
  const auto voxels = static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
  out.data.values.reserve(Tensor::count(out.data.shape));

  Mask mask;
  std::vector<std::int16_t> labels;
  const std::vector<bool>& masked = configuration.use_mask_for_norm;
  if (previous != nullptr || std::find(masked.begin(), masked.end(), true) != masked.end())
    mask = nonzero_mask(image, box);
  if (previous != nullptr) {
    labels.resize(box.count());
    for_each_voxel(box, [&](std::size_t to, std::size_t from) {
      labels[to] = (*previous)[from];
      if (labels[to] == 0 && !mask[to]) labels[to] = -1;
      mask[to] = labels[to] >= 0;
    });
  }

  std::vector<float> cropped;
  for (std::int64_t c = 0; c < channels; ++c) {
    job.report("prepare", static_cast<double>(c) / static_cast<double>(channels));
    const auto channel = static_cast<std::size_t>(c);
    const float* from_channel =
        image.values.data() + channel * (image.values.size() / static_cast<std::size_t>(channels));
    if (resizing)
      cropped.resize(box.count());
    else
      out.data.values.resize((channel + 1) * voxels);
    float* values = resizing ? cropped.data() : out.data.values.data() + channel * voxels;
    for_each_voxel(box, [&](std::size_t to, std::size_t from) { values[to] = from_channel[from]; });
    normalize(configuration.normalization.at(channel), plans.intensities.at(channel),
              masked.at(channel) ? mask : Mask(), values, box.count());
    if (!resizing) continue;
    out.data.values.resize((channel + 1) * voxels);
    resize(*resizing, values, out.data.values.data() + channel * voxels);
  }
  cropped = {};

  if (previous != nullptr) {
    job.check();
    const Resampling& resampling = configuration.resample_labels;
    if (const auto r = plan_resizing(resampling, box.size, shape, out.spacing_mm, out.target_spacing_mm))
      labels = resize_labels(resampling, *r, labels);
    if (labels.size() != voxels)
      throw Error(ErrorCode::model_unsupported, "the plans resample the image but not the previous stage's labels");
    for (const int label : foreground)
      for (const std::int16_t l : labels) out.data.values.push_back(l == label ? 1.0F : 0.0F);
  }
  job.report("prepare", 1);
  return out;
}

}  // namespace oncotome::engine::nnunet
