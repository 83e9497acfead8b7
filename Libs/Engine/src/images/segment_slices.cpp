// SPDX-License-Identifier: Apache-2.0
#include "segment_slices.h"

#include <algorithm>

#include "oncotome/core/stopwatch.h"

namespace oncotome::engine {

Segmentation segment_slices(const Model& model, const std::vector<ChannelView>& channels, const SegmentRequest& request,
                            const Job& job) {
  const ImageInference& inference = image_inference(model.package());
  if (inference.class_labels.empty())
    throw Error(ErrorCode::usage, "this model gives images a class and labels no voxels: use classify");
  const Geometry& grid = channels[model.package().reference_channel].geometry;
  for (const ChannelView& channel : channels)
    if (!same_grid(channel.geometry, grid))
      throw Error(ErrorCode::grid_mismatch, "the channels of this model must lie on one grid");
  const std::int64_t depth = inference.network.dimensions == 2 ? 1 : grid.size[2];
  const std::size_t voxels = static_cast<std::size_t>(grid.size[0] * grid.size[1] * depth);
  const std::size_t parts = grid.voxel_count() / voxels;

  Segmentation out;
  Stopwatch watch;
  out.labels = LabelVolume(grid);
  if (request.entropy) out.entropy = Volume<float>(grid);
  ImageOptions options;
  options.label_entropies = request.entropy;
  const ImageEnsemble alone{std::shared_ptr<const Model>(&model, [](const Model*) {})};
  std::size_t refused = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    job.report("segment", static_cast<double>(part) / static_cast<double>(parts));
    Tensor raw({1, static_cast<std::int64_t>(channels.size()), depth, grid.size[1], grid.size[0]});
    auto place = raw.values.begin();
    for (const ChannelView& channel : channels) place = std::copy_n(channel.voxels + part * voxels, voxels, place);
    show_as_picture(inference.picture_range, raw);
    const ImageResult result = run_images(alone, {raw}, options, job).front();
    if (!result.classification.refusal.empty()) {
      ++refused;
      continue;
    }
    const auto first = static_cast<std::ptrdiff_t>(part * voxels);
    std::copy(result.labels.begin(), result.labels.end(), out.labels.voxels.begin() + first);
    if (request.entropy)
      std::copy(result.label_entropies.begin(), result.label_entropies.end(), out.entropy.voxels.begin() + first);
  }
  if (refused > 0)
    out.doubts.push_back(std::to_string(refused) + " of " + std::to_string(parts) +
                         (depth == 1 ? " slices" : " volumes") +
                         " are not the kind of image that the model was trained on, and were left without labels");
  out.timings_ms.emplace_back("network", watch.lap_ms());
  job.report("segment", 1.0);
  return out;
}

}  // namespace oncotome::engine
