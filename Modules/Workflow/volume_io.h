// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "oncotome/core/volume.h"

namespace oncotome::workflow {

bool ends_with(const std::string& text, const std::string& tail);

/// True for the volume files that are read besides DICOM: .nii, .nii.gz, .nrrd, .nhdr, .seg.nrrd.
bool is_volume_file(const std::string& path);

/// Reads a 3-D scalar volume through ITK, in LPS. Throws Error{input_not_found, input_unreadable, input_unsupported},
/// whose message does not name the file: names can hold a patient's.
Volume<float> read_volume_file(const std::string& path);

/// The same for labels. Throws too Error{input_unsupported} for values that are no whole numbers of 0 to 255.
LabelVolume read_label_file(const std::string& path);

/// Writes .nrrd, .nii or .nii.gz, compressed; `fields` become NRRD key/value pairs. Throws Error{output_unwritable,
/// usage}.
void write_volume_file(const std::string& path, const Volume<float>& volume,
                       const std::map<std::string, std::string>& fields = {});
void write_volume_file(const std::string& path, const LabelVolume& volume,
                       const std::map<std::string, std::string>& fields = {});

}  // namespace oncotome::workflow
