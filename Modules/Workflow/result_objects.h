// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "oncotome/dicom/segmentation.h"
#include "oncotome/engine/preparation.h"
#include "oncotome/engine/session.h"
#include "study_processor.h"

namespace oncotome::workflow {

/// Whether the channel's slices made no regular grid and were resampled to one.
bool is_resampled(const ChannelInput& channel);

/// Marks lesions that hold or adjoin voxels which no slices of the resampled series enclose.
void mark_unmeasured(const dicom::Series& series, const LesionVolume& ids, std::vector<Lesion>& lesions);

/// What all DICOM results say of a study whose reference channel came from DICOM, but for its labels and lesions.
/// `labels_digest` stands for the labels in UIDs; `time` is the job's.
dicom::ResultContext result_context(const StudyRequest& request, const engine::ModelPackage& package,
                                    const StudyInputs& inputs, const std::string& labels_digest, std::time_t time);

/// Segments of the FRACTIONAL SEG; they refer to the maps. A map of one class is called as that is, a map of several as
/// their region.
std::vector<dicom::FractionalSegment> fractional_segments(const std::vector<engine::ProbabilityMap>& maps,
                                                          const engine::ModelPackage& package,
                                                          const dicom::ResultContext& context);

}  // namespace oncotome::workflow
