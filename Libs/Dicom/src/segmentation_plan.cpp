// SPDX-License-Identifier: Apache-2.0
#include "segmentation_plan.h"

#include <algorithm>
#include <map>

#include "bit_packing.h"
#include "oncotome/core/digest.h"
#include "oncotome/dicom/stack_resampling.h"

namespace oncotome::dicom {
namespace {

constexpr std::size_t kKeepEmptyFramesUpTo = 1000;
constexpr std::array<std::array<std::uint8_t, 3>, 6> kColors{
    {{255, 215, 0}, {0, 200, 255}, {255, 0, 200}, {120, 255, 80}, {255, 120, 60}, {160, 120, 255}}};

// present[segment][plane]; a value that is no segment would be lost silently.
template <class T>
void mark_present(const Volume<T>& volume, const std::map<T, std::size_t>& segment_of,
                  std::vector<std::vector<bool>>& present) {
  const auto plane_size = static_cast<std::size_t>(volume.geometry.size[0] * volume.geometry.size[1]);
  T last = 0;
  std::size_t segment = 0;
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) {
    const T value = volume.voxels[i];
    if (value == 0) continue;
    if (value != last) {
      const auto found = segment_of.find(value);
      if (found == segment_of.end())
        throw Error(ErrorCode::dicom_bad_value, "the result has voxels of value " + std::to_string(value) +
                                                    ", for which no label or lesion is described");
      last = value;
      segment = found->second;
    }
    present[segment][i / plane_size] = true;
  }
}

void check_grids(const ResultContext& context) {
  if (context.sources.empty() || !context.label_volume)
    throw Error(ErrorCode::dicom_bad_value, "a segmentation needs a source series and a label volume");
  const Series& grid = *context.sources.front();
  const bool lesions_fit =
      !context.lesion_volume || same_grid(context.lesion_volume->geometry, context.label_volume->geometry);
  if (!same_grid(context.label_volume->geometry, grid.geometry) || !lesions_fit ||
      (!is_resampled(grid) && grid.instances.size() != static_cast<std::size_t>(grid.geometry.size[2])))
    throw Error(ErrorCode::grid_mismatch, "the labels do not lie on the grid of the source series");
  if (!context.lesions.empty() && !context.lesion_volume)
    throw Error(ErrorCode::dicom_bad_value, "lesions are given without their voxels");
}

bool keeps_empty(EmptyFrames choice, std::size_t frames) {
  return choice == EmptyFrames::always || (choice == EmptyFrames::automatic && frames <= kKeepEmptyFramesUpTo);
}

const LabelVolume& labels_of(const ResultContext& context, const SegmentationPlan& plan) {
  return plan.labels ? *plan.labels : *context.label_volume;
}
const LesionVolume* lesions_of(const ResultContext& context, const SegmentationPlan& plan) {
  return plan.lesions ? &*plan.lesions : context.lesion_volume;
}

}  // namespace

std::string PlannedSegment::name() const {
  return label ? label->name : label_union ? label_union->name : "Lesion " + std::to_string(lesion->id);
}

std::array<std::uint8_t, 3> PlannedSegment::color() const {
  if (label) return label->color_rgb;
  return kColors[lesion ? (lesion->id - 1u) % kColors.size() : label_union->labels.size() % kColors.size()];
}

std::string frame_of_reference_of(const Series& series) {
  return series.frame_of_reference_uid.empty() ? make_uid(series.series_uid + "/frame of reference")
                                               : series.frame_of_reference_uid;
}

std::string seed_of(const ResultContext& context) {
  std::string seed = "oncotome SEG\n";
  for (const Series* series : context.sources)
    for (const Instance& instance : series->instances) {
      seed += instance.sop_instance_uid + "\n";
      if (instance.frame > 0) seed += std::to_string(instance.frame) + "\n";
    }
  const Provenance& p = context.provenance;
  for (const std::string& part : {p.product, p.version, p.model_name, p.model_version, p.model_sha256, p.parameters})
    seed += part + "\n";
  for (const LabelUnion& u : context.unions) seed += u.name + "\n";
  if (context.empty_frames != EmptyFrames::automatic)
    seed += context.empty_frames == EmptyFrames::always ? "all frames\n" : "no empty frames\n";
  Sha256 voxels;
  voxels.update(context.label_volume->voxels.data(), context.label_volume->voxels.size());
  if (context.lesion_volume)
    voxels.update(context.lesion_volume->voxels.data(), context.lesion_volume->voxels.size() * sizeof(std::uint16_t));
  for (const std::uint8_t byte : voxels.finish()) seed += static_cast<char>(byte);
  return seed;
}

void rank_planes(SegmentationPlan& plan, std::size_t planes) {
  plan.rank_of_plane.assign(planes, 0);
  for (const PlannedFrame& frame : plan.frames) plan.rank_of_plane[static_cast<std::size_t>(frame.plane)] = 1;
  std::uint32_t rank = 0;
  for (std::uint32_t& used : plan.rank_of_plane)
    if (used) used = ++rank;
}

SegmentationPlan plan_segmentation(const ResultContext& context) {
  check_grids(context);
  SegmentationPlan plan;
  if (const Series& grid = *context.sources.front(); is_resampled(grid)) {
    plan.labels = on_source_planes(*context.label_volume, grid);
    if (context.lesion_volume) plan.lesions = on_source_planes(*context.lesion_volume, grid);
  }
  const LabelVolume& labels = labels_of(context, plan);
  const LesionVolume* lesions = lesions_of(context, plan);
  std::map<std::uint8_t, std::size_t> of_label;
  std::map<std::uint16_t, std::size_t> of_lesion;
  for (const Label& label : context.labels) {
    of_label[label.value] = plan.segments.size();
    plan.segments.push_back({&label, nullptr, nullptr});
  }
  for (const LabelUnion& label_union : context.unions) plan.segments.push_back({nullptr, &label_union, nullptr});
  for (const Lesion& lesion : context.lesions) {
    of_lesion[lesion.id] = plan.segments.size();
    plan.segments.push_back({nullptr, nullptr, &lesion});
  }
  if (plan.segments.empty()) throw Error(ErrorCode::dicom_bad_value, "a segmentation needs at least one label");

  const auto planes = static_cast<std::size_t>(labels.geometry.size[2]);
  auto& present = plan.present;
  present.assign(plan.segments.size(), std::vector<bool>(planes, false));
  mark_present(labels, of_label, present);
  if (lesions) mark_present(*lesions, of_lesion, present);
  for (std::size_t s = 0; s < plan.segments.size(); ++s)
    if (plan.segments[s].label_union)
      for (const std::uint8_t value : plan.segments[s].label_union->labels)
        if (const auto part = of_label.find(value); part != of_label.end())
          for (std::size_t k = 0; k < planes; ++k) present[s][k] = present[s][k] || present[part->second][k];

  const bool keep_empty = keeps_empty(context.empty_frames, plan.segments.size() * planes);
  for (std::size_t s = 0; s < plan.segments.size(); ++s) {
    const std::size_t before = plan.frames.size();
    for (std::size_t k = 0; k < planes; ++k)
      if (keep_empty || present[s][k]) plan.frames.push_back({s, static_cast<std::int64_t>(k)});
    // A segment without any frame is lost in many readers.
    if (plan.frames.size() == before) plan.frames.push_back({s, 0});
  }
  rank_planes(plan, planes);
  return plan;
}

void fill_mask(const ResultContext& context, const SegmentationPlan& plan, const PlannedSegment& segment,
               std::size_t plane, std::vector<std::uint8_t>& pixels) {
  const std::size_t offset = plane * pixels.size();
  if (segment.lesion) {
    const LesionVolume& lesions = *lesions_of(context, plan);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = lesions.voxels[offset + i] == segment.lesion->id;
    return;
  }
  std::array<std::uint8_t, 256> belongs{};
  if (segment.label) belongs[segment.label->value] = 1;
  if (segment.label_union)
    for (const std::uint8_t value : segment.label_union->labels) belongs[value] = value != 0;
  const LabelVolume& labels = labels_of(context, plan);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = belongs[labels.voxels[offset + i]];
}

std::vector<std::uint8_t> pack_frames(const ResultContext& context, const SegmentationPlan& plan) {
  const auto& size = labels_of(context, plan).geometry.size;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size[0] * size[1]));
  std::vector<std::uint8_t> bytes(packed_size(plan.frames.size() * pixels.size()), 0);
  for (std::size_t f = 0; f < plan.frames.size(); ++f) {
    fill_mask(context, plan, plan.segments[plan.frames[f].segment], static_cast<std::size_t>(plan.frames[f].plane),
              pixels);
    set_bits<std::uint8_t>(bytes, f * pixels.size(), pixels.data(), pixels.size(), 1);
  }
  return bytes;
}

std::vector<std::uint8_t> label_frames(const ResultContext& context, const SegmentationPlan& plan) {
  const LabelVolume& labels = labels_of(context, plan);
  const auto plane_size = static_cast<std::size_t>(labels.geometry.size[0] * labels.geometry.size[1]);
  std::vector<std::uint8_t> bytes;
  bytes.reserve(plan.frames.size() * plane_size + 1);
  for (const PlannedFrame& frame : plan.frames) {
    const auto first =
        labels.voxels.begin() + static_cast<std::ptrdiff_t>(frame.plane) * static_cast<std::ptrdiff_t>(plane_size);
    bytes.insert(bytes.end(), first, first + static_cast<std::ptrdiff_t>(plane_size));
  }
  if (bytes.size() % 2 != 0) bytes.push_back(0);
  return bytes;
}

SegmentationPlan plan_probabilities(const ResultContext& context, const std::vector<FractionalSegment>& segments,
                                    std::vector<std::uint8_t>& bytes) {
  check_grids(context);
  if (segments.empty()) throw Error(ErrorCode::dicom_bad_value, "there are no probabilities to write");
  const Series& series = *context.sources.front();
  const std::size_t planes = series.instances.size();
  const auto plane_size = static_cast<std::size_t>(series.columns * series.rows);
  SegmentationPlan plan;
  for (std::size_t s = 0; s < segments.size(); ++s) {
    if (!same_grid(segments[s].values->geometry, context.label_volume->geometry))
      throw Error(ErrorCode::grid_mismatch, "the probabilities do not lie on the grid of the labels");
    const std::optional<LabelVolume> moved =
        is_resampled(series) ? std::optional<LabelVolume>(on_source_planes(*segments[s].values, series)) : std::nullopt;
    const std::uint8_t* values = (moved ? *moved : *segments[s].values).voxels.data();
    plan.segments.push_back({&segments[s].label, nullptr, nullptr});
    const bool keep_empty = keeps_empty(context.empty_frames, segments.size() * planes);
    const std::size_t before = plan.frames.size();
    for (std::size_t k = 0; k < planes; ++k) {
      const std::uint8_t *first = values + k * plane_size, *end = first + plane_size;
      const bool last_chance = k + 1 == planes && plan.frames.size() == before;
      if (!keep_empty && !last_chance && std::all_of(first, end, [](std::uint8_t v) { return v == 0; })) continue;
      plan.frames.push_back({s, static_cast<std::int64_t>(k)});
      bytes.insert(bytes.end(), first, end);
    }
  }
  if (bytes.size() % 2 != 0) bytes.push_back(0);
  rank_planes(plan, planes);
  return plan;
}

}  // namespace oncotome::dicom
