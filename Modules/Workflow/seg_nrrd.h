// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "oncotome/core/lesion.h"
#include "oncotome/core/volume.h"

namespace oncotome::workflow {

/// The header fields by which 3D Slicer shows a label volume as named, colored segments with terminology: one per
/// expected label, empty ones too, each with the full image extent.
std::map<std::string, std::string> slicer_segmentation_fields(const LabelVolume& labels,
                                                              const std::vector<Label>& table, const Code& region);

}  // namespace oncotome::workflow
