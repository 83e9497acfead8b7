// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "oncotome/core/error.h"
#include "oncotome/engine/classification.h"

namespace oncotome::engine {
namespace {

/// What one voxel of a resized axis is the sum of.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;
};

std::vector<Taps> taps_between(std::int64_t from, std::int64_t to) {
  std::vector<Taps> out(static_cast<std::size_t>(to));
  const double step = static_cast<double>(from) / static_cast<double>(to), reach = std::max(1.0, step);
  for (std::int64_t i = 0; i < to; ++i) {
    Taps& taps = out[static_cast<std::size_t>(i)];
    const double center = (static_cast<double>(i) + 0.5) * step;
    taps.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(center - reach + 0.5)));
    const auto end = std::min(from, static_cast<std::int64_t>(std::floor(center + reach + 0.5)));
    double total = 0;
    for (std::int64_t j = taps.first; j < end; ++j) {
      const double distance = std::abs(static_cast<double>(j) + 0.5 - center) / reach;
      total += taps.weights.emplace_back(std::max(0.0, 1 - distance));
    }
    for (double& weight : taps.weights) weight /= total;
  }
  return out;
}

Tensor resize_axis(const Tensor& in, std::size_t axis, std::int64_t to) {
  const std::int64_t from = in.shape[axis];
  if (from == to) return in;
  const std::vector<Taps> all = taps_between(from, to);
  std::vector<std::int64_t> shape = in.shape;
  shape[axis] = to;
  Tensor out(shape);
  std::size_t inner = 1;
  for (std::size_t a = axis + 1; a < shape.size(); ++a) inner *= static_cast<std::size_t>(shape[a]);
  const std::size_t outer = out.values.size() / (inner * static_cast<std::size_t>(to));
  std::vector<double> sums(inner);
  float* target = out.values.data();
  for (std::size_t o = 0; o < outer; ++o)
    for (const Taps& taps : all) {
      std::fill(sums.begin(), sums.end(), 0.0);
      const float* source =
          in.values.data() + (o * static_cast<std::size_t>(from) + static_cast<std::size_t>(taps.first)) * inner;
      for (const double weight : taps.weights)
        for (std::size_t x = 0; x < inner; ++x) sums[x] += weight * *source++;
      for (const double sum : sums) *target++ = static_cast<float>(sum);
    }
  return out;
}

/// Quantiles of all values, linear between neighbors in order, as NumPy has it.
ImagePreparation::Range quantiles(std::vector<float> values, const ImagePreparation::Range& q) {
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto low = static_cast<std::size_t>(place);
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(low);
    std::nth_element(values.begin(), middle, values.end());
    const double value = *middle;
    if (low + 1 == values.size()) return value;
    const double next = *std::min_element(middle + 1, values.end());
    return value + (place - static_cast<double>(low)) * (next - value);
  };
  const double first = at(q.first);
  return {first, at(q.second)};
}

void to_unit_range(const ImagePreparation::Range& range, std::vector<float>& values) {
  const double width = range.second - range.first;
  for (float& value : values)
    value = width > 0 ? static_cast<float>(std::clamp((value - range.first) / width, 0.0, 1.0)) : 0.0F;
}

Tensor in_unit_range(const ImagePreparation& preparation, const Tensor& raw) {
  Tensor image = raw;
  if (preparation.rescale) to_unit_range(*preparation.rescale, image.values);
  if (preparation.percentiles) to_unit_range(quantiles(image.values, *preparation.percentiles), image.values);
  return image;
}

ImageBox without_margins(const Tensor& image, const std::optional<double>& above) {
  const Dhw size{image.shape[2], image.shape[3], image.shape[4]};
  ImageBox box{{0, 0, 0}, size};
  if (!above) return box;
  const auto threshold = static_cast<float>(*above);
  std::vector<std::int64_t> counts[3];
  for (std::size_t a = 0; a < 3; ++a) counts[a].resize(static_cast<std::size_t>(size[a]));
  const float* value = image.values.data();
  for (std::int64_t c = 0; c < image.shape[1]; ++c)
    for (std::int64_t z = 0; z < size[0]; ++z)
      for (std::int64_t y = 0; y < size[1]; ++y)
        for (std::int64_t x = 0; x < size[2]; ++x)
          if (*value++ > threshold)
            for (const auto& [a, i] : {std::pair{0, z}, {1, y}, {2, x}}) ++counts[a][static_cast<std::size_t>(i)];
  const std::int64_t all = size[0] * size[1] * size[2] * image.shape[1];
  for (std::size_t a = 0; a < 3; ++a) {
    const auto is_margin = [&](std::int64_t i) { return 50 * size[a] * counts[a][static_cast<std::size_t>(i)] < all; };
    std::int64_t first = 0, last = size[a] - 1;
    while (first < last && is_margin(first)) ++first;
    while (first < last && is_margin(last)) --last;
    if (first == last) continue;
    box.begin[a] = first;
    box.size[a] = last + 1 - first;
  }
  return box;
}

/// ImagePreparation::equalize.
void equalize(Tensor& image, double share) {
  constexpr double kBackground = 0.05;
  constexpr std::size_t kBins = 1024;
  const std::size_t voxels = image.values.size() / static_cast<std::size_t>(image.shape[1]);
  const auto place = [](float v) { return (static_cast<double>(v) - kBackground) / (1 - kBackground) * kBins; };
  for (std::size_t first = 0; first < image.values.size(); first += voxels) {
    std::vector<double> below(kBins + 1, 0);  // Voxels in the bins before.
    const auto end = image.values.begin() + static_cast<std::ptrdiff_t>(first + voxels);
    for (auto v = end - static_cast<std::ptrdiff_t>(voxels); v != end; ++v)
      if (const double at = place(*v); at > 0) ++below[std::min(kBins, static_cast<std::size_t>(at) + 1)];
    for (std::size_t b = 1; b <= kBins; ++b) below[b] += below[b - 1];
    if (below[kBins] == 0) continue;
    for (auto v = end - static_cast<std::ptrdiff_t>(voxels); v != end; ++v) {
      const double at = std::clamp(place(*v), 0.0, static_cast<double>(kBins));
      const std::size_t bin = std::min(kBins - 1, static_cast<std::size_t>(at));
      const double inside = at - static_cast<double>(bin), rank = below[bin] + inside * (below[bin + 1] - below[bin]);
      *v = static_cast<float>((1 - share) * static_cast<double>(*v) + share * rank / below[kBins]);
    }
  }
}

}  // namespace

Tensor cut(const Tensor& image, const ImageBox& box) {
  const std::vector<std::int64_t>& shape = image.shape;
  Tensor out({1, shape[1], box.size[0], box.size[1], box.size[2]});
  float* target = out.values.data();
  for (std::int64_t c = 0; c < shape[1]; ++c)
    for (std::int64_t z = 0; z < box.size[0]; ++z)
      for (std::int64_t y = 0; y < box.size[1]; ++y) {
        const std::int64_t slice = c * shape[2] + box.begin[0] + z, row = slice * shape[3] + box.begin[1] + y;
        target = std::copy_n(image.values.data() + row * shape[4] + box.begin[2], box.size[2], target);
      }
  return out;
}

ImageBox image_box(ImagePreparation::Resize resize, const Dhw& input_size, const Dhw& size) {
  if (resize == ImagePreparation::Resize::squash) return {{0, 0, 0}, input_size};
  double scale = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    const double fits = static_cast<double>(input_size[a]) / static_cast<double>(size[a]);
    const bool is_flat = input_size[a] == 1 && size[a] == 1;
    if (!is_flat && (scale == 0 || fits < scale)) scale = fits;
  }
  ImageBox box;
  for (std::size_t a = 0; a < 3; ++a) {
    box.size[a] = std::clamp<std::int64_t>(std::llround(scale * static_cast<double>(size[a])), 1, input_size[a]);
    box.begin[a] = (input_size[a] - box.size[a]) / 2;
  }
  return box;
}

Tensor resize_image(const Tensor& image, const Dhw& size) {
  Tensor out = resize_axis(image, 4, size[2]);
  out = resize_axis(out, 3, size[1]);
  return resize_axis(out, 2, size[0]);
}

Tensor prepare_image(const ImagePreparation& preparation, const Dhw& input_size, const Tensor& raw) {
  const auto channels = static_cast<std::int64_t>(preparation.mean.size());
  if (raw.shape.size() != 5 || raw.shape[0] != 1 || raw.shape[1] != channels || raw.values.empty())
    throw Error(ErrorCode::precondition_unmet,
                "the image has not the " + std::to_string(channels) + " channels that the model takes");
  if (!std::all_of(raw.values.begin(), raw.values.end(), [](float value) { return std::isfinite(value); }))
    throw Error(ErrorCode::precondition_unmet, "the image holds values that are not finite");
  Tensor image = in_unit_range(preparation, raw);
  if (preparation.crop_above) image = cut(image, without_margins(image, preparation.crop_above));
  const ImageBox box = image_box(preparation.resize, input_size, {image.shape[2], image.shape[3], image.shape[4]});
  image = resize_image(image, box.size);
  if (preparation.equalize > 0) equalize(image, preparation.equalize);

  Tensor out({1, channels, input_size[0], input_size[1], input_size[2]});
  const auto within = [&](std::size_t axis, std::int64_t i) {
    return std::clamp<std::int64_t>(i - box.begin[axis], 0, box.size[axis] - 1);
  };
  float* target = out.values.data();
  for (std::int64_t c = 0; c < channels; ++c) {
    const double mean = preparation.mean[static_cast<std::size_t>(c)];
    const double std = preparation.std[static_cast<std::size_t>(c)];
    for (std::int64_t z = 0; z < input_size[0]; ++z)
      for (std::int64_t y = 0; y < input_size[1]; ++y) {
        const std::int64_t slice = c * box.size[0] + within(0, z);
        const float* row = image.values.data() + (slice * box.size[1] + within(1, y)) * box.size[2];
        for (std::int64_t x = 0; x < input_size[2]; ++x)
          *target++ = static_cast<float>((row[within(2, x)] - mean) / std);
      }
  }
  return out;
}

ImageBox image_window(const ImagePreparation& preparation, const Tensor& raw) {
  if (!preparation.crop_above) return {{0, 0, 0}, {raw.shape[2], raw.shape[3], raw.shape[4]}};
  return without_margins(in_unit_range(preparation, raw), preparation.crop_above);
}

Tensor on_image_grid(const ImageInference& inference, const Tensor& in_network, const Tensor& raw,
                     const std::vector<float>& unseen) {
  const ImageBox window = image_window(inference.image, raw);
  const ImageBox box = image_box(inference.image.resize, inference.network.input_size, window.size);
  const Tensor seen = resize_image(cut(in_network, box), window.size);
  Tensor out({1, seen.shape[1], raw.shape[2], raw.shape[3], raw.shape[4]});
  const float* from = seen.values.data();
  const std::size_t voxels = out.values.size() / unseen.size();
  for (std::size_t c = 0; c < unseen.size(); ++c) {
    float* const to = out.values.data() + c * voxels;
    std::fill(to, to + voxels, unseen[c]);
    for (std::int64_t z = 0; z < window.size[0]; ++z)
      for (std::int64_t y = 0; y < window.size[1]; ++y, from += window.size[2]) {
        const std::int64_t row = (window.begin[0] + z) * raw.shape[3] + window.begin[1] + y;
        std::copy_n(from, window.size[2], to + row * raw.shape[4] + window.begin[2]);
      }
  }
  return out;
}

void show_as_picture(const std::optional<ImagePreparation::Range>& range, Tensor& raw) {
  if (!range) return;
  to_unit_range(*range, raw.values);
  for (float& value : raw.values) value *= 255;
}

}  // namespace oncotome::engine
