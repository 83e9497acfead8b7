// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "find_tumors.h"
#include "model_source.h"
#include "oncotome/core/job.h"

namespace oncotome::python {

/// A channel: what lies at the path, or else voxels that are read where they are.
struct ChannelSource {
  std::string name;  ///< Empty: the model's only channel.
  std::string path;
  engine::ChannelView view;
};

struct StudyRequest {
  ModelSource model;
  std::string path;       ///< In which the channels are found as `oncotome segment` finds them; or else channels.
  std::string study_uid;  ///< Of several studies there, this one.
  std::vector<ChannelSource> channels;
  std::optional<ChannelSource> mask;  ///< Of the body part: what is not 0.
  std::string brain_model;            ///< Folder; empty: the package beside the model.
  std::uint64_t seed = 0;
};

using StudyResult = workflow::Tumors;

/// Reads, conditions, segments and measures. Throws Error alone.
StudyResult segment_study(const StudyRequest& request, const Job& job);

/// Writes labels as .seg.nrrd, .nrrd, .nii or .nii.gz; a file appears whole or not at all, and replaces another. Throws
/// Error{usage, output_unwritable}.
void write_labels(const StudyResult& result, const std::string& path);

/// A grid of ITK's order x, y, z. Throws Error{usage} unless spacings are positive and the columns of `direction` (row
/// by row) orthonormal.
Geometry checked_geometry(const Index3& size, const Vec3& spacing_mm, const Vec3& origin_mm,
                          const std::array<Vec3, 3>& direction);

}  // namespace oncotome::python
