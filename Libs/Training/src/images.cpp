// SPDX-License-Identifier: Apache-2.0
#include "images.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "augment.h"
#include "oncotome/core/axes.h"
#include "oncotome/core/draws.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"

namespace oncotome::training {

using engine::Tensor;

namespace {

// The output that a mask's value stands for, or -1; of two outputs, any value but 0 is the second.
int output_of(const std::vector<std::uint8_t>& class_labels, float value) {
  for (std::size_t k = 0; k < class_labels.size(); ++k)
    if (static_cast<float>(class_labels[k]) == value) return static_cast<int>(k);
  return class_labels.size() == 2 ? 1 : -1;
}

}  // namespace

Images::Images(const Config& config, const Samples& samples, const Request& request, const Job& job)
    : config_(config),
      samples_(samples),
      request_(request),
      grid_(config.augmentation.crop_from.value_or(config.network.input_size)),
      entries_(samples.all.size()) {
  for (std::size_t a = 0; a < 3; ++a)
    if (grid_[a] < config.network.input_size[a])
      throw Error(ErrorCode::usage,
                  "the configuration's \"augmentation.crop_from\" is smaller than the network's input");
  const double room = config.data.cache_mib * 1048576;
  std::atomic<std::size_t> used{0};
  constexpr std::int64_t kAtOnce = 64;
  const auto count = static_cast<std::int64_t>(entries_.size());
  for (std::int64_t begin = 0; begin < count; begin += kAtOnce) {
    job.report("decoding the images", static_cast<double>(begin) / static_cast<double>(count));
    parallel_for(begin, std::min(count, begin + kAtOnce), [&](std::int64_t i) {
      const Sample& s = samples_.all[static_cast<std::size_t>(i)];
      const Tensor image = read(s.path, config_.network.in_channels, s.place);
      const bool masked = config_.network.labels > 0 && !s.mask.empty();
      const Tensor mask = masked ? read(s.mask, 1, s.place + " (mask)") : Tensor();
      check(image, mask, s.place);
      Entry entry{stored(image), masked ? prepared_mask(mask, image) : std::vector<std::uint8_t>()};
      const std::size_t size = entry.image.size() + entry.mask.size();
      if (static_cast<double>(used += size) <= room) entries_[static_cast<std::size_t>(i)] = std::move(entry);
    });
  }
}

Images::Stored Images::stored(const Tensor& tensor) {
  Stored s;
  s.shape = tensor.shape;
  const auto is_byte = [](float v) { return v >= 0 && v <= 255 && v == std::floor(v); };
  if (std::all_of(tensor.values.begin(), tensor.values.end(), is_byte))
    s.bytes.assign(tensor.values.begin(), tensor.values.end());
  else
    s.values = tensor.values;
  return s;
}

Tensor Images::restored(const Stored& s) {
  Tensor tensor;
  tensor.shape = s.shape;
  if (s.values.empty())
    tensor.values.assign(s.bytes.begin(), s.bytes.end());
  else
    tensor.values = s.values;
  return tensor;
}

Tensor Images::read(const std::string& path, std::int64_t channels, const std::string& place) const {
  try {
    return request_.read_image(path, channels);
  } catch (const Error& e) {
    throw Error(e.code(), place + ": " + e.what());
  }
}

void Images::check(const Tensor& image, const Tensor& mask, const std::string& place) const {
  for (const float v : image.values)
    if (!std::isfinite(v)) throw Error(ErrorCode::input_unreadable, place + ": a value is not finite");
  if (config_.network.dimensions == 2 && image.shape[axes::D] != 1)
    throw Error(ErrorCode::input_unsupported, place + ": a volume, and the network is 2-D");
  if (mask.shape.empty()) return;
  if (!std::equal(mask.shape.begin() + axes::D, mask.shape.end(), image.shape.begin() + axes::D))
    throw Error(ErrorCode::grid_mismatch, place + ": the mask has not the size of the image");
  for (const float v : mask.values)
    if (output_of(config_.class_labels, v) < 0)
      throw Error(ErrorCode::input_unreadable,
                  place + ": the mask holds " + std::to_string(v) + ", which is not among \"class_labels\"");
}

// Each output's share goes the image's way, so that both lie on the same grid whatever the preparation does.
std::vector<std::uint8_t> Images::prepared_mask(const Tensor& raw, const Tensor& image) const {
  engine::ImagePreparation how = config_.image;
  const engine::ImageBox window = engine::image_window(how, image);
  how.crop_above.reset();
  how.equalize = 0;
  how.percentiles.reset();
  how.rescale = std::pair<double, double>(0, 1);
  how.mean = {0};
  how.std = {1};
  std::vector<std::uint8_t> outputs;
  std::vector<float> greatest;
  for (std::size_t k = 1; k < config_.class_labels.size(); ++k) {
    Tensor share(raw.shape);
    for (std::size_t v = 0; v < raw.values.size(); ++v)
      share.values[v] = output_of(config_.class_labels, raw.values[v]) == static_cast<int>(k) ? 1.0F : 0.0F;
    const Tensor there = engine::prepare_image(how, grid_, engine::cut(share, window));
    outputs.resize(there.values.size(), 0);
    greatest.resize(there.values.size(), 0.5F);
    for (std::size_t v = 0; v < outputs.size(); ++v)
      if (there.values[v] >= greatest[v]) {
        greatest[v] = there.values[v];
        outputs[v] = static_cast<std::uint8_t>(k);
      }
  }
  return outputs;
}

Example Images::prepared(std::size_t index) const {
  const Sample& s = samples_.all[index];
  const Entry& entry = entries_[index];
  const bool masked = config_.network.labels > 0 && !s.mask.empty();
  const bool cached = entry.image.cached();
  const Tensor raw = cached ? restored(entry.image) : read(s.path, config_.network.in_channels, s.place);
  Example example;
  example.image = engine::prepare_image(config_.image, grid_, raw);
  if (masked) example.mask = cached ? entry.mask : prepared_mask(read(s.mask, 1, s.place + " (mask)"), raw);
  return example;
}

Example Images::plain(std::size_t index) const {
  Example example = prepared(index);
  if (grid_ != config_.network.input_size) cut_center(example, config_.network.input_size);
  return example;
}

Example Images::augmented(std::size_t index, int epoch) const {
  Example example = prepared(index);
  Draws draws(config_.seed, Purpose::augmentation, {static_cast<std::uint64_t>(epoch), index});
  augment(example, config_.network.input_size, config_.augmentation, config_.image, draws);
  return example;
}

}  // namespace oncotome::training
