// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <string>

namespace oncotome::dicom {

/// Writes with file meta information (PS3.10 section 7.1) that names Oncotome, not DCMTK.
OFCondition save_as_own(DcmFileFormat& file, const std::string& path,
                        E_TransferSyntax syntax = EXS_LittleEndianExplicit);

}  // namespace oncotome::dicom
