// SPDX-License-Identifier: Apache-2.0
#include "find_tumors.h"

#include "conditioning.h"

namespace oncotome::workflow {
namespace {

void add(std::vector<std::string>& to, const std::vector<std::string>& texts) {
  to.insert(to.end(), texts.begin(), texts.end());
}

}  // namespace

Tumors find_tumors(const engine::ModelPackage& package, StudyInputs& inputs, TumorRequest request, const Job& job) {
  Tumors out;
  out.corrections = inputs.corrections;
  out.doubts = inputs.doubts;
  request.voxels.resize(inputs.channels.size(), nullptr);
  double begin = 0;
  const engine::Preparation& wanted = package.preparation;
  if (wanted.register_tolerance_mm || wanted.bias_field || wanted.extract_brain) {
    for (std::size_t c = 0; c < inputs.channels.size(); ++c)
      if (const float* voxels = std::exchange(request.voxels[c], nullptr)) {
        Volume<float>& volume = inputs.channels[c].volume;
        volume.voxels.assign(voxels, voxels + volume.geometry.voxel_count());
      }
    const bool has_mask = !request.mask.voxels.empty();
    Conditioning done = condition(
        package, inputs, {request.brain_model_folder, request.device, request.threads, request.precision, has_mask},
        part_of(job, 0, 0.4));
    begin = 0.4;
    if (!has_mask) request.mask = std::move(done.brain);
    add(out.corrections, done.corrections);
    add(out.doubts, done.doubts);
  }

  const Job segmenting = part_of(job, begin, 0.95);
  segmenting.report("load model", 0);
  const auto model =
      request.model ? request.model : engine::Model::load(package, request.device, request.threads, request.precision);
  out.package = model->package();
  engine::SegmentRequest how;
  how.mask = request.mask.voxels.empty() ? nullptr : &request.mask;
  how.seed = request.seed;
  how.from_dicom = inputs.from_dicom;
  std::vector<engine::ChannelView> views;
  for (std::size_t c = 0; c < inputs.channels.size(); ++c) {
    const Volume<float>& volume = inputs.channels[c].volume;
    views.push_back({volume.geometry, request.voxels[c] != nullptr ? request.voxels[c] : volume.voxels.data()});
  }
  engine::Segmentation found = engine::segment(*model, views, how, segmenting);
  out.labels = std::move(found.labels);
  out.labels.geometry = inputs.channels[out.package.reference_channel].volume.geometry;
  add(out.corrections, found.corrections);
  add(out.doubts, out.package.doubts);
  add(out.doubts, found.doubts);

  out.lesions =
      engine::find_lesions(out.labels, out.package.labels, out.package.lesion_min_volume_mm3, part_of(job, 0.95, 1));
  return out;
}

}  // namespace oncotome::workflow
