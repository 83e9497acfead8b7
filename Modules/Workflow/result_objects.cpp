// SPDX-License-Identifier: Apache-2.0
#include "result_objects.h"

#include <array>
#include <set>

#include "oncotome/core/process.h"
#include "oncotome/dicom/stack_resampling.h"

namespace oncotome::workflow {

bool is_resampled(const ChannelInput& channel) { return channel.series && dicom::is_resampled(*channel.series); }

void mark_unmeasured(const dicom::Series& series, const LesionVolume& ids, std::vector<Lesion>& lesions) {
  const LabelVolume measured = dicom::measured_voxels(series);
  const Index3& size = measured.geometry.size;
  const std::array<std::int64_t, 3> stride{1, size[0], size[0] * size[1]};
  const auto is_measured = [&](std::int64_t at) { return measured.voxels[static_cast<std::size_t>(at)] != 0; };
  std::int64_t at = 0;
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[0]; ++x, ++at) {
        const std::uint16_t id = ids.voxels[static_cast<std::size_t>(at)];
        if (id == 0) continue;
        const Index3 here{x, y, z};
        bool inside = is_measured(at);
        for (std::size_t d = 0; d < 3; ++d) {
          if (here[d] > 0) inside = inside && is_measured(at - stride[d]);
          if (here[d] + 1 < size[d]) inside = inside && is_measured(at + stride[d]);
        }
        if (!inside) lesions.at(id - 1u).touches_unmeasured = true;
      }
}

dicom::ResultContext result_context(const StudyRequest& request, const engine::ModelPackage& package,
                                    const StudyInputs& inputs, const std::string& labels_digest, std::time_t time) {
  const ChannelInput& reference = inputs.channels[package.reference_channel];
  dicom::ResultContext context;
  context.sources.push_back(&*reference.series);
  for (const ChannelInput& channel : inputs.channels)
    if (&channel != &reference && channel.series) context.sources.push_back(&*channel.series);
  context.provenance.version = ONCOTOME_VERSION;
  context.provenance.model_name = package.name;
  context.provenance.model_version = package.version;
  context.provenance.model_sha256 = package.weights_sha256;
  context.provenance.content_date = utc_text(time, "%Y%m%d");
  context.provenance.content_time = utc_text(time, "%H%M%S");
  // The same UID must mean the same bytes, so whatever decides the bytes is named here.
  context.provenance.parameters = "seed " + std::to_string(request.seed) + "; labels " + labels_digest.substr(0, 16) +
                                  "; " + utc_text(time, "%Y-%m-%dT%H:%M:%SZ");
  context.task = package.title;
  context.region = package.region;
  context.corrections = inputs.corrections;
  if (is_resampled(reference))
    context.corrections.emplace_back(
        "Measurements were taken on the regular grid, the segmentation lies on the slices.");
  context.labels = package.labels;
  context.empty_frames = request.empty_frames;
  if (request.regions)
    for (const engine::Region& region : package.regions) context.unions.push_back({region.name, region.labels});
  return context;
}

std::vector<dicom::FractionalSegment> fractional_segments(const std::vector<engine::ProbabilityMap>& maps,
                                                          const engine::ModelPackage& package,
                                                          const dicom::ResultContext& context) {
  using Values = std::set<std::uint8_t>;
  std::vector<dicom::FractionalSegment> segments;
  for (const engine::ProbabilityMap& map : maps) {
    dicom::FractionalSegment segment{
        {0, package.title, context.lesion_category, context.lesion_type, {255, 215, 0}, true}, &map.values};
    const Values values(map.labels.begin(), map.labels.end());
    for (const Label& label : package.labels)
      if (values == Values{label.value}) segment.label = label;
    for (const engine::Region& region : package.regions)
      if (values.size() > 1 && values == Values(region.labels.begin(), region.labels.end()))
        segment.label.name = region.name;
    segments.push_back(segment);
  }
  return segments;
}

}  // namespace oncotome::workflow
