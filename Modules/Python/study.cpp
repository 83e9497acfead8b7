// SPDX-License-Identifier: Apache-2.0
#include "study.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "conditioning.h"
#include "guarded.h"
#include "inputs.h"
#include "oncotome/core/atomic_directory.h"
#include "result_objects.h"
#include "seg_nrrd.h"
#include "unpacked_input.h"
#include "volume_io.h"

namespace oncotome::python {
namespace {

using engine::ModelPackage;

// A job whose 0 to 1 are a part of another's.
Job part(const Job& job, double begin, double end) {
  return Job([&job, begin, end](std::string_view stage, double fraction) {
    job.report(stage, begin + (end - begin) * fraction);
  });
}

Volume<float> read_mask_file(const std::string& path) {
  try {
    return workflow::read_volume_file(path);
  } catch (const Error& e) {
    throw Error(e.code(), std::string("the mask: ") + e.what());
  }
}

class Processor {
 public:
  Processor(const StudyRequest& request, const Job& job)
      : request_(request), job_(job), models_({request.model}, job, workflow::ArchiveNames::kept) {
    out_.package = engine::read_model_package(models_.paths().front());
  }

  StudyResult run() {
    read();
    if (request_.mask) read_mask(*request_.mask);
    condition();
    segment();
    measure();
    return std::move(out_);
  }

 private:
  const workflow::ChannelInput& reference() const { return inputs_.channels[out_.package.reference_channel]; }

  workflow::StudyInputs read_paths(const ModelPackage& package, workflow::InputRequest input) const {
    const Job reading = part(job_, 0, 0.05);
    std::vector<std::string> paths = input.paths;
    for (const auto& [name, path] : input.by_hand) paths.push_back(path);
    const workflow::UnpackedInput unpacked(std::move(paths), reading);
    auto place = unpacked.paths().begin();
    for (std::string& path : input.paths) path = *place++;
    for (auto& [name, path] : input.by_hand) path = *place++;
    return read_inputs(package, input, reading);
  }

  void read() {
    if (!request_.study.empty()) {
      workflow::InputRequest input;
      input.paths = {request_.study};
      inputs_ = read_paths(out_.package, input);
      return;
    }
    const std::vector<const ChannelSource*> sources = sources_in_order();
    // Those at paths by themselves; the others take their places between them.
    ModelPackage at_paths = out_.package;
    at_paths.channels.clear();
    workflow::InputRequest input;
    for (std::size_t c = 0; c < sources.size(); ++c) {
      if (sources[c]->path.empty()) continue;
      if (c == out_.package.reference_channel) at_paths.reference_channel = at_paths.channels.size();
      at_paths.channels.push_back(out_.package.channels[c]);
      input.by_hand.emplace_back(out_.package.channels[c].name, sources[c]->path);
    }
    if (!input.by_hand.empty()) {
      at_paths.reference_channel = std::min(at_paths.reference_channel, at_paths.channels.size() - 1);
      inputs_ = read_paths(at_paths, input);
    }
    if (input.by_hand.size() < sources.size()) inputs_.from_dicom = false;
    for (std::size_t c = 0; c < sources.size(); ++c) {
      if (!sources[c]->path.empty()) continue;
      workflow::ChannelInput channel;
      channel.name = out_.package.channels[c].name;
      channel.volume.geometry = sources[c]->view.geometry;
      inputs_.channels.insert(inputs_.channels.begin() + static_cast<std::ptrdiff_t>(c), std::move(channel));
    }
    for (std::size_t c = 0; c < sources.size(); ++c) {
      voxels_.push_back(sources[c]->view.voxels);
      if (sources[c]->path.empty() && !same_grid(inputs_.channels[c].volume.geometry, reference().volume.geometry))
        inputs_.doubts.push_back("channel " + inputs_.channels[c].name + " lies on another grid than " +
                                 reference().name + "; their coordinates were trusted");
    }
  }

  void read_mask(const ChannelSource& source) {
    Volume<float> read;
    if (!source.path.empty()) read = read_mask_file(source.path);
    const float* voxels = source.path.empty() ? source.view.voxels : read.voxels.data();
    mask_ = LabelVolume(source.path.empty() ? source.view.geometry : read.geometry);
    for (std::size_t i = 0; i < mask_.voxels.size(); ++i) mask_.voxels[i] = voxels[i] != 0;
  }

  // One of each channel of the model.
  std::vector<const ChannelSource*> sources_in_order() const {
    const ModelPackage& package = out_.package;
    std::vector<const ChannelSource*> sources(package.channels.size());
    for (const ChannelSource& source : request_.channels) {
      if (source.name.empty() && sources.size() > 1) break;
      const ChannelSource*& place = sources[source.name.empty() ? 0 : package.channel_index(source.name)];
      if (place != nullptr) throw Error(ErrorCode::usage, "channel " + source.name + " is given twice");
      place = &source;
    }
    std::string names, missing;
    for (std::size_t c = 0; c < sources.size(); ++c) {
      const std::string& name = package.channels[c].name;
      names += (names.empty() ? "" : ", ") + name;
      if (sources[c] == nullptr) missing += (missing.empty() ? "" : ", ") + name;
    }
    if (!missing.empty())
      throw Error(ErrorCode::channel_missing,
                  "the model takes the channels " + names + ", as a dict by name; missing: " + missing);
    return sources;
  }

  // Hospital MR is registered, corrected and freed from the skull, where the model wants it; in copies.
  void condition() {
    const engine::Preparation& wanted = out_.package.preparation;
    if (!wanted.register_tolerance_mm && !wanted.bias_field && !wanted.extract_brain) return;
    for (std::size_t c = 0; c < voxels_.size(); ++c) {
      Volume<float>& volume = inputs_.channels[c].volume;
      if (voxels_[c] != nullptr) volume.voxels.assign(voxels_[c], voxels_[c] + volume.geometry.voxel_count());
    }
    voxels_.clear();
    workflow::ConditioningRequest request;
    request.device = request_.device;
    request.precision = request_.precision;
    request.threads = request_.threads;
    request.brain_model_folder = request_.brain_model;
    request.has_mask = !mask_.voxels.empty();
    workflow::Conditioning done = workflow::condition(out_.package, inputs_, request, part(job_, 0.05, 0.4));
    begin_ = 0.4;
    if (!request.has_mask) mask_ = std::move(done.brain);
    add(out_.corrections, done.corrections);
    add(inputs_.doubts, done.doubts);
  }

  void segment() {
    if (std::holds_alternative<engine::NnUnetInference>(out_.package.inference))
      out_.package.preparation.orient = inputs_.from_dicom;
    const Job job = part(job_, begin_, 0.95);
    job.report("load model", 0);
    const auto model = engine::Model::load(out_.package, request_.device, request_.threads, request_.precision);
    out_.package = model->package();
    engine::SegmentRequest request;
    request.mask = mask_.voxels.empty() ? nullptr : &mask_;
    request.seed = request_.seed;
    std::vector<engine::ChannelView> views;
    for (std::size_t c = 0; c < inputs_.channels.size(); ++c) {
      const Volume<float>& volume = inputs_.channels[c].volume;
      const bool in_place = c < voxels_.size() && voxels_[c] != nullptr;
      views.push_back({volume.geometry, in_place ? voxels_[c] : volume.voxels.data()});
    }
    engine::Segmentation found = engine::segment(*model, views, request, job);
    out_.labels = std::move(found.labels);
    out_.labels.geometry = reference().volume.geometry;
    out_.corrections.insert(out_.corrections.begin(), inputs_.corrections.begin(), inputs_.corrections.end());
    add(out_.corrections, found.corrections);
    for (const auto* doubts : {&inputs_.doubts, &out_.package.doubts, &found.doubts}) add(out_.doubts, *doubts);
  }

  void measure() {
    out_.lesions =
        engine::find_lesions(out_.labels, out_.package.labels, out_.package.lesion_min_volume_mm3, part(job_, 0.95, 1));
    if (workflow::is_resampled(reference()))
      workflow::mark_unmeasured(*reference().series, out_.lesions.ids, out_.lesions.lesions);
    job_.report("measure", 1);
  }

  static void add(std::vector<std::string>& to, const std::vector<std::string>& texts) {
    to.insert(to.end(), texts.begin(), texts.end());
  }

  const StudyRequest& request_;
  const Job& job_;
  const workflow::UnpackedInput models_;
  StudyResult out_;
  workflow::StudyInputs inputs_;
  std::vector<const float*> voxels_;  ///< Of each channel that is read in place.
  LabelVolume mask_;
  double begin_ = 0.05;  ///< Of what comes next, in the progress.
};

}  // namespace

StudyResult segment_study(const StudyRequest& request, const Job& job) {
  return guarded([&] { return Processor(request, job).run(); });
}

void write_labels(const StudyResult& result, const std::string& path) {
  std::map<std::string, std::string> fields;
  if (workflow::ends_with(path, ".seg.nrrd"))
    fields = workflow::slicer_segmentation_fields(result.labels, result.package.labels, result.package.region);
  guarded([&] {
    write_file_atomically(path, true, [&](const std::filesystem::path& temporary) {
      workflow::write_volume_file(temporary.string(), result.labels, fields);
    });
  });
}

Geometry checked_geometry(const Index3& size, const Vec3& spacing_mm, const Vec3& origin_mm,
                          const std::array<Vec3, 3>& direction) {
  Geometry geometry;
  geometry.size = size;
  geometry.spacing_mm = spacing_mm;
  geometry.origin_mm = origin_mm;
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t row = 0; row < 3; ++row) geometry.axis[a][row] = direction[row][a];
  for (std::size_t a = 0; a < 3; ++a) {
    if (!(spacing_mm[a] > 0) || !std::isfinite(spacing_mm[a]))
      throw Error(ErrorCode::usage, "spacing must be three positive numbers, in mm along x, y, z");
    if (!std::isfinite(origin_mm[a])) throw Error(ErrorCode::usage, "origin must be three finite numbers");
    for (std::size_t b = 0; b < 3; ++b)
      if (!(std::abs(dot(geometry.axis[a], geometry.axis[b]) - (a == b ? 1 : 0)) < 1e-3))
        throw Error(ErrorCode::usage, "direction must have orthonormal columns, as ITK's matrix has");
  }
  return geometry;
}

}  // namespace oncotome::python
