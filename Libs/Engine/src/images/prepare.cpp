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

}  // namespace

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
  Tensor image = raw;
  if (preparation.rescale) to_unit_range(*preparation.rescale, image.values);
  if (preparation.percentiles) to_unit_range(quantiles(image.values, *preparation.percentiles), image.values);
  const ImageBox box = image_box(preparation.resize, input_size, {raw.shape[2], raw.shape[3], raw.shape[4]});
  image = resize_image(image, box.size);

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

Tensor on_image_grid(const ImageInference& inference, const Tensor& in_network, const Dhw& size) {
  const ImageBox box = image_box(inference.image.resize, inference.network.input_size, size);
  const std::vector<std::int64_t>& shape = in_network.shape;
  Tensor inside({1, shape[1], box.size[0], box.size[1], box.size[2]});
  float* target = inside.values.data();
  for (std::int64_t c = 0; c < shape[1]; ++c)
    for (std::int64_t z = 0; z < box.size[0]; ++z)
      for (std::int64_t y = 0; y < box.size[1]; ++y) {
        const std::int64_t slice = c * shape[2] + box.begin[0] + z, row = slice * shape[3] + box.begin[1] + y;
        target = std::copy_n(in_network.values.data() + row * shape[4] + box.begin[2], box.size[2], target);
      }
  return resize_image(inside, size);
}

void show_as_picture(const std::optional<ImagePreparation::Range>& range, Tensor& raw) {
  if (!range) return;
  to_unit_range(*range, raw.values);
  for (float& value : raw.values) value *= 255;
}

}  // namespace oncotome::engine
