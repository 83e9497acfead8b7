// SPDX-License-Identifier: Apache-2.0
#include "study.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>

#include "find_tumors.h"
#include "guarded.h"
#include "oncotome/core/atomic_directory.h"
#include "result_objects.h"
#include "seg_nrrd.h"
#include "volume_io.h"

namespace oncotome::python {
namespace {

using engine::ModelPackage;

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
      : request_(request), job_(job), model_(request.model, job), package_(model_.package()) {}

  StudyResult run() {
    read();
    workflow::TumorRequest how;
    if (request_.mask) how.mask = read_mask(*request_.mask);
    how.brain_model_folder = request_.brain_model;
    how.device = request_.model.device;
    how.precision = request_.model.precision;
    how.threads = request_.model.threads;
    how.seed = request_.seed;
    how.voxels = std::move(voxels_);
    job_.report("load model", 0.05);
    StudyResult found = workflow::find_tumors(*model_.loaded(), inputs_, std::move(how), part_of(job_, 0.06, 1));
    if (workflow::is_resampled(reference()))
      workflow::mark_unmeasured(*reference().series, found.lesions.ids, found.lesions.lesions);
    job_.report("measure", 1);
    return found;
  }

 private:
  const workflow::ChannelInput& reference() const { return inputs_.channels[package_.reference_channel]; }

  workflow::StudyInputs read_paths(const ModelPackage& package, workflow::InputRequest input) const {
    const workflow::UnpackedInput unpacked = workflow::unpack(input, part_of(job_, 0, 0.01));
    return read_inputs(package, input, part_of(job_, 0.01, 0.05));
  }

  void read() {
    if (!request_.path.empty()) {
      workflow::InputRequest input;
      input.paths = {request_.path};
      input.study_uid = request_.study_uid;
      inputs_ = read_paths(package_, input);
      return;
    }
    const std::vector<const ChannelSource*> sources = sources_in_order();
    // Those at paths by themselves; the others take their places between them.
    ModelPackage at_paths = package_;
    at_paths.channels.clear();
    workflow::InputRequest input;
    for (std::size_t c = 0; c < sources.size(); ++c) {
      if (sources[c]->path.empty()) continue;
      if (c == package_.reference_channel) at_paths.reference_channel = at_paths.channels.size();
      at_paths.channels.push_back(package_.channels[c]);
      input.by_hand.emplace_back(package_.channels[c].name, sources[c]->path);
    }
    if (!input.by_hand.empty()) {
      at_paths.reference_channel = std::min(at_paths.reference_channel, at_paths.channels.size() - 1);
      inputs_ = read_paths(at_paths, input);
    }
    if (input.by_hand.size() < sources.size()) inputs_.from_dicom = false;
    for (std::size_t c = 0; c < sources.size(); ++c) {
      if (!sources[c]->path.empty()) continue;
      workflow::ChannelInput channel;
      channel.name = package_.channels[c].name;
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

  static LabelVolume read_mask(const ChannelSource& source) {
    Volume<float> read;
    if (!source.path.empty()) read = read_mask_file(source.path);
    const float* voxels = source.path.empty() ? source.view.voxels : read.voxels.data();
    LabelVolume mask(source.path.empty() ? source.view.geometry : read.geometry);
    for (std::size_t i = 0; i < mask.voxels.size(); ++i) {
      if (!std::isfinite(voxels[i]))
        throw Error(ErrorCode::precondition_unmet, "the mask: it holds values that are no finite numbers");
      mask.voxels[i] = voxels[i] != 0;
    }
    return mask;
  }

  // One of each channel of the model.
  std::vector<const ChannelSource*> sources_in_order() const {
    const ModelPackage& package = package_;
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

  const StudyRequest& request_;
  const Job& job_;
  const ReadModel model_;
  const ModelPackage& package_;
  workflow::StudyInputs inputs_;
  std::vector<const float*> voxels_;  ///< Of each channel that is read in place.
};

}  // namespace

StudyResult segment_study(const StudyRequest& request, const Job& job) {
  return workflow::guarded(ErrorCode::input_unreadable, [&] { return Processor(request, job).run(); });
}

void write_labels(const StudyResult& result, const std::string& path) {
  std::map<std::string, std::string> fields;
  std::string lower = path;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (workflow::ends_with(lower, ".seg.nrrd"))
    fields =
        workflow::slicer_segmentation_fields(result.segmentation.labels, result.package.labels, result.package.region);
  workflow::guarded(ErrorCode::input_unreadable, [&] {
    write_file_atomically(path, true, [&](const std::filesystem::path& temporary) {
      workflow::write_volume_file(temporary.string(), result.segmentation.labels, fields);
    });
  });
}

Geometry checked_geometry(const Index3& size, const Vec3& spacing_mm, const Vec3& origin_mm,
                          const std::array<Vec3, 3>& direction) {
  Geometry geometry;
  geometry.size = size;
  if (size[0] < 1 || size[1] < 1 || size[2] < 1) throw Error(ErrorCode::usage, "an image has no voxels");
  geometry.spacing_mm = spacing_mm;
  geometry.origin_mm = origin_mm;
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t row = 0; row < 3; ++row) geometry.axis[a][row] = direction[row][a];
  for (std::size_t a = 0; a < 3; ++a) {
    if (!(spacing_mm[a] >= 1e-4 && spacing_mm[a] <= 1e3))
      throw Error(ErrorCode::usage, "spacing must be three numbers of 0.0001 to 1000, in mm along x, y, z");
    if (!(std::abs(origin_mm[a]) <= 1e6))
      throw Error(ErrorCode::usage, "origin must be three numbers of at most 1000000, in mm");
    for (std::size_t b = 0; b < 3; ++b)
      if (!(std::abs(dot(geometry.axis[a], geometry.axis[b]) - (a == b ? 1 : 0)) < 1e-3))
        throw Error(ErrorCode::usage, "direction must have orthonormal columns, as ITK's matrix has");
  }
  return geometry;
}

}  // namespace oncotome::python
