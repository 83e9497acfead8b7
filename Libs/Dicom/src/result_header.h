// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "oncotome/dicom/segmentation.h"

namespace oncotome::dicom {

/// What tells one result object from the other in its header.
struct ResultObject {
  std::string modality;
  std::string sop_instance_uid;
  std::string series_uid;
  int series_number = 9000;
  std::string description;
};

/// For DCMTK calls that take its own string type.
inline OFString text(const std::string& value) { return OFString(value.c_str()); }

/// Throws Error{internal} that says what was written when it failed.
void require(const OFCondition& condition, const char* what);

/// All attributes before PixelData. Throws Error{input_unreadable}.
std::unique_ptr<DcmFileFormat> read_attributes(const std::string& path);

/// Text of our own for a result: ASCII, so that the character set copied from the source holds for the whole object;
/// without backslashes and control characters; cut to `length`.
std::string own_text(const std::string& text, std::size_t length = 64);

/// Patient, study and character set as the bytes they are in the source, even where too long for their VR: all objects
/// of a study must agree on them. Series, equipment and dates of our own.
void put_result_header(DcmItem& target, DcmItem& source, const ResultContext& context, const ResultObject& object);

/// Date and time (DA, TM) in the zone that TimezoneOffsetFromUTC (0008,0201) names, or else in the machine's, of a date
/// and time in UTC. Throws Error{internal} when these are none.
std::array<std::string, 2> local_date_time(const std::string& date, const std::string& time, const std::string& offset);

/// Copies an element, or removes it from the target when the source has none.
void copy_element(DcmItem& source, DcmItem& target, const DcmTagKey& tag);

/// Under a temporary name, then renamed. Throws Error{output_unwritable}.
void save_whole(DcmFileFormat& file, const std::string& path, E_TransferSyntax syntax = EXS_LittleEndianExplicit);

/// Name of the model for algorithm fields; the product's when there is none.
std::string algorithm_name(const Provenance& provenance);
/// "model 1.0.0, sha256 0123456789ab"; algorithm versions are type 1.
std::string algorithm_version(const Provenance& provenance);

/// RecommendedDisplayCIELabValue (0062,000D) of an sRGB color, PS3.3 section C.10.7.1.1.
std::array<std::uint16_t, 3> cielab(const std::array<std::uint8_t, 3>& rgb);

}  // namespace oncotome::dicom
