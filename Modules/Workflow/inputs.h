// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/dicom/scan.h"
#include "oncotome/engine/model_package.h"
#include "unpacked_input.h"

namespace oncotome::workflow {

/// One channel of a model, read.
struct ChannelInput {
  std::string name;
  std::string how;  ///< Why this series is the channel, for the report.
  std::string description;
  Volume<float> volume;
  std::optional<dicom::Series> series;  ///< When it came from DICOM.
  bool other_frame = false;  ///< Its coordinates have nothing to do with the reference channel's until registered.
};

struct StudyInputs {
  std::vector<ChannelInput> channels;  ///< In the package's order.
  std::vector<std::string> corrections, doubts;
  bool from_dicom = false;  ///< Every channel came from DICOM.
};

/// What the user asked for.
struct InputRequest {
  std::vector<std::string> paths;                                   ///< Folders or files to look in.
  std::vector<std::pair<std::string, std::string>> by_hand;         ///< Channel name and path.
  std::string study_uid;                                            ///< Of several studies, this one.
  dicom::GeometryPolicy geometry = dicom::GeometryPolicy::correct;  ///< For slices that make no regular grid.
};

/// Puts unpacked folders, which go with what is returned, in the places of the request's archives. Throws as
/// UnpackedInput.
UnpackedInput unpack(InputRequest& request, const Job& job);

/// Finds and reads each channel of the package. DICOM channels must share one study, and one frame of reference
/// unless the package's preparation registers them.
/// Throws Error{input_*, dicom_*, channel_missing, channel_ambiguous, grid_mismatch, usage, cancelled}.
StudyInputs read_inputs(const engine::ModelPackage& package, const InputRequest& request, const Job& job);

/// The only volume under the paths, or the one with the id or UID; else refuses with the advice and lists them.
dicom::Series choose_series(const dicom::StudyIndex& index, const std::string& id,
                            const std::string& advice = "choose one with --series UID (or UID#PART)");

}  // namespace oncotome::workflow
