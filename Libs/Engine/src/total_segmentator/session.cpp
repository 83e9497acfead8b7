// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "../nnunet/session.h"
#include "coarse_grid.h"
#include "labels.h"
#include "oncotome/core/stopwatch.h"
#include "oncotome/engine/components.h"

namespace oncotome::engine::total_segmentator {
namespace {

std::string part_prefix(const std::string& prefix, std::size_t part) {
  return prefix + "part " + std::to_string(part + 1) + ": ";
}

std::string crop_prefix(const std::string& prefix) { return prefix + "crop: "; }

template <class T>
std::string triple(const std::array<T, 3>& v) {
  char text[80];
  std::snprintf(text, sizeof text, "%.5g x %.5g x %.5g", static_cast<double>(v[0]), static_cast<double>(v[1]),
                static_cast<double>(v[2]));
  return text;
}

/// Slices of the coarse grid that are run together, and those of them whose labels count.
struct Slab {
  std::int64_t begin, end, kept_begin, kept_end;
};

std::vector<Slab> slabs_of(const Geometry& grid, std::int64_t most_voxels) {
  const std::int64_t depth = grid.size[2], third = depth / 3, margin = 20;
  if (most_voxels == 0 || static_cast<std::int64_t>(grid.voxel_count()) <= most_voxels || depth <= 200)
    return {{0, depth, 0, depth}};
  return {{0, third + margin, 0, third},
          {third + 1 - margin, 2 * third + margin, third, 2 * third},
          {2 * third + 1 - margin, depth, 2 * third, depth}};
}

Geometry box_of(const Geometry& grid, const Index3& first, const Index3& last) {
  Geometry out = grid;
  for (std::size_t a = 0; a < 3; ++a) out.size[a] = last[a] - first[a] + 1;
  out.origin_mm =
      grid.position_mm({static_cast<double>(first[0]), static_cast<double>(first[1]), static_cast<double>(first[2])});
  return out;
}

/// One image on its way through a task.
class Run {
 public:
  Run(const Model& model, const Job& job, Segmentation& out) : model_(model), job_(job), out_(out) {}

  // Labels on the channel's grid; `table` of a task whose statistics are wanted of the coarse grid.
  LabelVolume task(const TotalSegmentatorInference& task, const ChannelView& channel, const std::string& prefix,
                   double begin, double end, const std::vector<Label>* table = nullptr) {
    if (task.crop.empty()) return within(task, channel, prefix, begin, end, table);
    const double middle = begin + 0.3 * (end - begin);
    const LabelVolume rough = this->task(task.crop[0], channel, crop_prefix(prefix), begin, middle);
    Mask mask(rough.voxels.size());
    for (std::size_t i = 0; i < mask.size(); ++i)
      mask[i] = std::find(task.crop_labels.begin(), task.crop_labels.end(), rough.voxels[i]) != task.crop_labels.end();
    LabelVolume labels(channel.geometry);
    Index3 first, last;
    if (!bounding_box(mask, channel.geometry.size, 0, first, last)) {
      out_.steps.push_back({"crop", "nothing was found that the task looks round"});
      return labels;
    }
    for (std::size_t a = 0; a < 3; ++a) {
      const auto margin = static_cast<std::int64_t>(
          task.crop_margin_mm[a] / static_cast<double>(static_cast<float>(channel.geometry.spacing_mm[a])));
      first[a] = std::max<std::int64_t>(0, first[a] - margin);
      last[a] = std::min(channel.geometry.size[a] - 1, last[a] + margin);
    }
    Volume<float> part(box_of(channel.geometry, first, last));
    const Index3& size = part.geometry.size;
    const auto for_each_row = [&](auto&& f) {
      for (std::int64_t z = 0; z < size[2]; ++z)
        for (std::int64_t y = 0; y < size[1]; ++y)
          f(part.offset(0, y, z), labels.offset(first[0], first[1] + y, first[2] + z));
    };
    const auto width = static_cast<std::size_t>(size[0]);
    for_each_row([&](std::size_t to, std::size_t from) {
      for (std::size_t x = 0; x < width; ++x) part.voxels[to + x] = std::trunc(channel.voxels[from + x]);
    });
    out_.steps.push_back({"crop", "to " + triple(size) + " voxels round what " + task.crop[0].task + " found"});
    const LabelVolume found = within(task, {part.geometry, part.voxels.data()}, prefix, middle, end, table);
    for_each_row([&](std::size_t from, std::size_t to) {
      std::copy_n(found.voxels.begin() + static_cast<std::ptrdiff_t>(from), width,
                  labels.voxels.begin() + static_cast<std::ptrdiff_t>(to));
    });
    return labels;
  }

 private:
  LabelVolume within(const TotalSegmentatorInference& task, const ChannelView& channel, const std::string& prefix,
                     double begin, double end, const std::vector<Label>* table) {
    const Canonical canonical(channel.geometry);
    Volume<float> coarse = to_coarse(channel, canonical, task.spacing_mm);
    out_.steps.push_back({"resample", "to " + triple(coarse.geometry.size) + " voxels of " +
                                          triple(coarse.geometry.spacing_mm) + " mm along R, A, S, for " + task.task});
    LabelVolume labels(coarse.geometry);
    const std::vector<Slab> slabs = slabs_of(coarse.geometry, task.slab_voxels);
    if (slabs.size() > 1) out_.steps.push_back({"split", "run as three slabs that overlap"});
    const double share = (end - begin) / static_cast<double>(task.parts.size() * slabs.size());
    double done = begin;
    for (std::size_t p = 0; p < task.parts.size(); ++p)
      for (const Slab& slab : slabs) {
        run_part(task.parts[p], part_prefix(prefix, p), coarse, slab, done, share, labels);
        done += share;
      }
    for (std::uint8_t label : task.largest_only) keep_largest(labels, label);
    for (const auto& [label, volume] : task.min_volume_mm3) remove_small(labels, label, volume);
    if (!task.largest_only.empty() || !task.min_volume_mm3.empty())
      out_.steps.push_back({"post-process", "small pieces of " + task.task + " were removed"});
    if (table != nullptr) out_.statistics = measure(labels, coarse.voxels.data(), *table);
    coarse = {};
    return from_coarse(labels, canonical, channel.geometry);
  }

  void run_part(const TotalSegmentatorInference::Part& part, const std::string& prefix, const Volume<float>& coarse,
                const Slab& slab, double begin, double share, LabelVolume& labels) {
    const Index3& n = coarse.geometry.size;
    const Geometry grid = box_of(coarse.geometry, {0, 0, slab.begin}, {n[0] - 1, n[1] - 1, slab.end - 1});
    const std::vector<ChannelView> channels(1, {grid, coarse.voxels.data() + coarse.offset(0, 0, slab.begin)});
    const Job job([&](std::string_view stage, double f) { job_.report(stage, begin + share * f); });
    const Segmentation found = nnunet::segment(model_, part.model, channels, {}, job, prefix);
    const std::size_t last = coarse.offset(0, 0, slab.kept_end);
    std::size_t from = coarse.offset(0, 0, slab.kept_begin - slab.begin);
    for (std::size_t to = coarse.offset(0, 0, slab.kept_begin); to < last; ++to, ++from) {
      const std::uint8_t own = found.labels.voxels[from];
      if (own < part.labels.size() && part.labels[own] != 0) labels.voxels[to] = part.labels[own];
    }
  }

  const Model& model_;
  const Job& job_;
  Segmentation& out_;
};

}  // namespace

std::map<std::string, std::unique_ptr<Executable>> load_networks(const TotalSegmentatorInference& inference,
                                                                 const Backend& backend, Sha256& digest,
                                                                 const std::string& prefix) {
  std::map<std::string, std::unique_ptr<Executable>> networks;
  for (std::size_t p = 0; p < inference.parts.size(); ++p)
    networks.merge(nnunet::load_networks(inference.parts[p].model, backend, digest, part_prefix(prefix, p)));
  for (const TotalSegmentatorInference& crop : inference.crop)
    networks.merge(load_networks(crop, backend, digest, crop_prefix(prefix)));
  return networks;
}

Segmentation segment(const Model& model, const TotalSegmentatorInference& inference,
                     const std::vector<ChannelView>& channels, const SegmentRequest& request, const Job& job) {
  if (request.probabilities || request.class_probabilities)
    throw Error(ErrorCode::usage, "this model gives no probabilities");
  Stopwatch watch;
  const ModelPackage& package = model.package();
  check_inputs(package, channels);
  Segmentation out;
  out.doubts = package.doubts;
  out.labels = Run(model, job, out)
                   .task(inference, channels[0], "", 0, 1, inference.coarse_statistics ? &package.labels : nullptr);
  out.timings_ms.emplace_back("network", watch.lap_ms());
  // As TotalSegmentator, which measures on the image's grid but for its fast tasks.
  if (out.statistics.empty()) out.statistics = measure(out.labels, channels[0].voxels, package.labels);
  out.timings_ms.emplace_back("statistics", watch.lap_ms());
  return out;
}

}  // namespace oncotome::engine::total_segmentator
