// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "inputs.h"
#include "oncotome/engine/lesions.h"
#include "oncotome/engine/resample.h"
#include "sem.h"

namespace oncotome::cli {

/// A file that a parameter names; what the readers throw names the parameter.
Volume<float> read_volume(const sem::Values& values, const std::string& parameter);
LabelVolume read_labels(const sem::Values& values, const std::string& parameter);

/// inputVolume to inputVolume4 as the package's channels, in its order, and as the engine takes them. Throws
/// Error{channel_missing, usage, input_*}.
workflow::StudyInputs read_channels(const engine::ModelPackage& package, const sem::Values& values, const Job& job);
std::vector<engine::ChannelView> views_of(const workflow::StudyInputs& inputs);

/// Labels on the grid of the scan where that is exact: 3D Slicer writes a segmentation cropped to what is in it, while
/// it is the scan that a lesion may reach the border of, and that a network sees. Throws Error{grid_mismatch} where the
/// two do not meet.
LabelVolume on_scan(LabelVolume labels, const Geometry& scan);

/// The lesions that `labels` and `minimumVolume` ask for.
engine::LesionSet lesions_of(const LabelVolume& labels, const sem::Values& values, const Job& job);

/// The labels that are in the lesions, called "label 1" and so on.
std::vector<Label> labels_of(const std::vector<Lesion>& lesions);

/// Before the work is done: throws Error{usage} for a name that does not end as the parameter wants it, and
/// Error{output_unwritable} where its folder is not there.
void check_output(const sem::Module& module, const sem::Values& values, const std::string& parameter);

}  // namespace oncotome::cli
