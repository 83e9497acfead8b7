// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "phantom.h"

namespace oncotome::testing {

/// One file for training: "OTPH", then W, H, D as int32, FLAIR, T1, T1ce, T2 as int16, truth as uint8; all
/// little-endian.
void write_raw(const Phantom& phantom, const std::string& path);
/// DIR/flair.nrrd, t1.nrrd, t1ce.nrrd, t2.nrrd.
void write_channels_nrrd(const Phantom& phantom, const std::string& directory);
void write_truth_nrrd(const Phantom& phantom, const std::string& path);
/// Four series of one study, in subfolders of `directory`, so that scanner attributes tell the weighting.
void write_dicom(const Phantom& phantom, std::uint64_t seed, const std::string& directory);

}  // namespace oncotome::testing
