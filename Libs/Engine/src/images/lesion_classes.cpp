// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/lesion_classes.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "oncotome/core/error.h"
#include "oncotome/engine/session.h"

namespace oncotome::engine {
namespace {

constexpr std::size_t kBatch = 16;
constexpr double kMostVoxels = 0x1p29;  // twice a CT of the whole body

/// A run of indexes along one axis, which may begin and end outside of the image.
struct Span {
  std::int64_t begin = 0, count = 1;
};

std::array<Span, 3> spans_of(const ImageInference& inference, const Geometry& grid, const LesionBox& box) {
  const bool is_flat = inference.network.dimensions == 2;
  std::array<Span, 3> spans;
  if (is_flat && !inference.crop_margin_mm) return {Span{0, grid.size[0]}, Span{0, grid.size[1]}, Span{box.slice, 1}};
  double longest_mm = 0;
  for (std::size_t a = 0; a < (is_flat ? 2 : 3); ++a)
    longest_mm = std::max(longest_mm, grid.spacing_mm[a] * static_cast<double>(box.last[a] - box.first[a] + 1));
  const double side_mm = longest_mm + 2 * inference.crop_margin_mm.value_or(0);
  double all = 1;
  for (std::size_t a = 0; a < (is_flat ? 2 : 3); ++a) all *= std::max(1.0, side_mm / grid.spacing_mm[a]);
  if (!(all <= kMostVoxels))
    throw Error(ErrorCode::precondition_unmet, "the square or cube round lesion " + std::to_string(box.id) +
                                                   " is far too large for the image's spacing");
  for (std::size_t a = 0; a < (is_flat ? 2 : 3); ++a) {
    const double voxels = side_mm / grid.spacing_mm[a];
    const double middle = 0.5 * static_cast<double>(box.first[a] + box.last[a] + 1);
    spans[a] = {std::llround(middle - 0.5 * voxels), std::max<std::int64_t>(1, std::llround(voxels))};
  }
  if (is_flat) spans[2] = {box.slice, 1};
  return spans;
}

void check_box(const Geometry& grid, const LesionBox& box) {
  bool fits = box.slice >= box.first[2] && box.slice <= box.last[2];
  for (std::size_t a = 0; a < 3; ++a)
    fits = fits && box.first[a] >= 0 && box.first[a] <= box.last[a] && box.last[a] < grid.size[a];
  if (!fits)
    throw Error(ErrorCode::usage, "the box of lesion " + std::to_string(box.id) + " does not lie in the image");
}

}  // namespace

std::vector<LesionBox> lesion_boxes(const LesionVolume& lesions) {
  std::map<std::uint16_t, LesionBox> boxes;
  std::map<std::uint16_t, std::int64_t> largest, here;
  std::size_t voxel = 0;
  const Index3& n = lesions.geometry.size;
  for (std::int64_t z = 0; z < n[2]; ++z) {
    here.clear();
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const std::uint16_t id = lesions.voxels[voxel++];
        if (id == 0) continue;
        ++here[id];
        const Index3 at{x, y, z};
        const auto [found, is_new] = boxes.try_emplace(id, LesionBox{id, at, at, z});
        for (std::size_t a = 0; a < 3 && !is_new; ++a) {
          found->second.first[a] = std::min(found->second.first[a], at[a]);
          found->second.last[a] = std::max(found->second.last[a], at[a]);
        }
      }
    for (const auto& [id, area] : here)
      if (area > largest[id]) {
        largest[id] = area;
        boxes[id].slice = z;
      }
  }
  std::vector<LesionBox> out;
  out.reserve(boxes.size());
  for (const auto& [id, box] : boxes) out.push_back(box);
  return out;
}

Tensor lesion_image(const ImageInference& inference, const std::vector<ChannelView>& channels, const LesionBox& box) {
  const Geometry& grid = channels.front().geometry;
  const std::array<Span, 3> spans = spans_of(inference, grid, box);
  Tensor raw({1, static_cast<std::int64_t>(channels.size()), spans[2].count, spans[1].count, spans[0].count});
  const auto within = [&](std::size_t axis, std::int64_t i) {
    return std::clamp<std::int64_t>(spans[axis].begin + i, 0, grid.size[axis] - 1);
  };
  float* target = raw.values.data();
  for (const ChannelView& channel : channels)
    for (std::int64_t z = 0; z < spans[2].count; ++z)
      for (std::int64_t y = 0; y < spans[1].count; ++y) {
        const float* row = channel.voxels + (within(2, z) * grid.size[1] + within(1, y)) * grid.size[0];
        for (std::int64_t x = 0; x < spans[0].count; ++x) *target++ = row[within(0, x)];
      }
  show_as_picture(inference.picture_range, raw);
  return raw;
}

LesionImages::LesionImages(const ImageInference& inference, const std::vector<ChannelView>& channels,
                           const Geometry& grid)
    : inference_(inference), grid_(grid) {
  resampled_.reserve(channels.size());
  for (const ChannelView& channel : channels) {
    const bool is_there = same_grid(channel.geometry, grid);
    if (!is_there) resampled_.push_back(resample_linear(channel, grid));
    views_.push_back({grid, is_there ? channel.voxels : resampled_.back().voxels.data()});
  }
}

Tensor LesionImages::of(const LesionBox& box) const {
  check_box(grid_, box);
  return lesion_image(inference_, views_, box);
}

std::vector<LesionFinding> classify_lesions(const Model& model, const std::vector<ChannelView>& channels,
                                            const Geometry& grid, const std::vector<LesionBox>& boxes, const Job& job) {
  const ImageInference& inference = image_inference(model.package());
  if (inference.classes.empty()) throw Error(ErrorCode::usage, "this model knows no classes of lesions");
  const LesionImages images(inference, channels, grid);
  std::vector<LesionFinding> out;
  for (std::size_t first = 0; first < boxes.size(); first += kBatch) {
    job.report("classify", static_cast<double>(first) / static_cast<double>(boxes.size()));
    std::vector<Tensor> raw;
    for (std::size_t i = first; i < std::min(boxes.size(), first + kBatch); ++i) raw.push_back(images.of(boxes[i]));
    for (ImageResult& result : run_images(model, raw, job))
      out.push_back({boxes[out.size()].id, std::move(result.classification)});
  }
  job.report("classify", 1);
  return out;
}

}  // namespace oncotome::engine
