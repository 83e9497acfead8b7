// SPDX-License-Identifier: Apache-2.0
#include "find_tumors.h"

#include <utility>

#include "conditioning.h"
#include "oncotome/core/stopwatch.h"

namespace oncotome::workflow {
namespace {

// What came later goes behind what came before.
template <class T>
void put_before(std::vector<T>& later, std::vector<T> before) {
  before.insert(before.end(), std::make_move_iterator(later.begin()), std::make_move_iterator(later.end()));
  later = std::move(before);
}

// Conditioning works on the volumes of the inputs.
void copy_voxels(std::vector<const float*>& voxels, StudyInputs& inputs) {
  for (std::size_t c = 0; c < inputs.channels.size(); ++c)
    if (const float* from = std::exchange(voxels[c], nullptr)) {
      Volume<float>& volume = inputs.channels[c].volume;
      volume.voxels.assign(from, from + volume.geometry.voxel_count());
    }
}

}  // namespace

Tumors find_tumors(const engine::Model& model, StudyInputs& inputs, TumorRequest request, const Job& job) {
  const engine::ModelPackage& package = model.package();
  const engine::Preparation& wanted = package.preparation;
  request.voxels.resize(inputs.channels.size(), nullptr);
  Stopwatch watch;
  Conditioning done;
  std::vector<std::pair<std::string, double>> timings;
  double begin = 0;
  if (wanted.register_tolerance_mm || wanted.bias_field || wanted.extract_brain) {
    copy_voxels(request.voxels, inputs);
    const bool has_mask = !request.mask.voxels.empty();
    begin = 0.4;
    done = condition(package, inputs,
                     {request.brain_model_folder, request.device, request.threads, request.precision, has_mask},
                     part_of(job, 0, begin));
    if (!has_mask) request.mask = std::move(done.brain);
    timings.emplace_back("condition", watch.lap_ms());
  }

  engine::SegmentRequest how;
  how.mask = request.mask.voxels.empty() ? nullptr : &request.mask;
  how.seed = request.seed;
  how.from_dicom = inputs.from_dicom;
  how.probabilities = request.probabilities;
  how.entropy = request.entropy;
  std::vector<engine::ChannelView> views;
  for (std::size_t c = 0; c < inputs.channels.size(); ++c) {
    const Volume<float>& volume = inputs.channels[c].volume;
    views.push_back({volume.geometry, request.voxels[c] != nullptr ? request.voxels[c] : volume.voxels.data()});
  }
  Tumors out;
  out.package = package;
  out.segmentation = engine::segment(model, views, how, part_of(job, begin, 0.95));
  engine::Segmentation& found = out.segmentation;
  found.labels.geometry = inputs.channels[package.reference_channel].volume.geometry;
  put_before(found.steps, std::move(done.steps));
  put_before(found.corrections, std::move(done.corrections));
  put_before(found.corrections, inputs.corrections);
  put_before(found.doubts, std::move(done.doubts));
  put_before(found.doubts, inputs.doubts);
  put_before(found.timings_ms, std::move(timings));

  watch.lap_ms();
  out.lesions =
      engine::find_lesions(found.labels, package.labels, package.lesion_min_volume_mm3, part_of(job, 0.95, 1));
  found.timings_ms.emplace_back("measure", watch.lap_ms());
  return out;
}

}  // namespace oncotome::workflow
