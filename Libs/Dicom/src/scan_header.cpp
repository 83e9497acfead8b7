// SPDX-License-Identifier: Apache-2.0
#include "header.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "functional_groups.h"
#include "geometry.h"
#include "marks.h"
#include "oncotome/core/digest.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

constexpr std::int64_t kMaxPixelBytes = std::int64_t{4} << 30;

std::string needed_uid(DcmItem& item, const DcmTagKey& tag) {
  std::string uid = raw_text(item, tag);
  if (!is_uid(uid)) bad_value(std::string(DcmTag(tag).getTagName()) + (uid.empty() ? " is missing" : " is no UID"));
  return uid;
}

void check_class(const std::string& uid) {
  if (uid == UID_CTImageStorage || uid == UID_MRImageStorage || uid == UID_PositronEmissionTomographyImageStorage ||
      is_multi_frame_class(uid))
    return;
  const char* known = dcmFindNameOfUID(uid.c_str());
  const std::string name = known ? known : "SOP class " + uid;
  throw Error(ErrorCode::input_unsupported, "not an image series of CT, MR or PET (" + name + ")");
}

template <std::size_t N>
std::optional<std::array<double, N>> fixed_values(DcmItem& item, const DcmTagKey& tag) {
  const std::vector<double> values = numbers(item, tag);
  if (values.empty()) return std::nullopt;
  if (values.size() != N) bad_value(std::string(DcmTag(tag).getTagName()) + " has the wrong number of values");
  std::array<double, N> result;
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

std::int64_t pixel_bytes(const PixelModule& m) { return m.rows * m.columns * (m.format.bits_allocated / 8) * m.frames; }

void read_pixels(DcmItem& item, Header& h, int frames) {
  h.pixels = read_pixel_module(item);
  h.rows = h.pixels.rows;
  h.columns = h.pixels.columns;
  if (frames == 0 && h.pixels.frames != 1) bad_value("NumberOfFrames is not 1 in a single-frame image");
  if (h.pixels.samples != 1 || h.pixels.photometric == "PALETTE COLOR") bad_value("a color image");
  if (pixel_bytes(h.pixels) > kMaxPixelBytes) bad_value("the pixels of its frames are more than 4 GiB");
}

// The sign is often written wrongly: the value has 16 bits, whatever its VR.
double padding_value(double value, const PixelFormat& format) {
  if (format.is_signed && value > 32767) return value - 65536;
  if (!format.is_signed && value < 0) return value + 65536;
  return value;
}

void read_padding(DcmItem& item, Header& h) {
  const std::optional<double> value = number_if_good(item, DCM_PixelPaddingValue);
  if (!value) return;
  const double a = padding_value(*value, h.pixels.format);
  const double b = padding_value(number_if_good(item, DCM_PixelPaddingRangeLimit).value_or(*value), h.pixels.format);
  h.padding = {std::min(a, b), std::max(a, b)};
  // A wide range that reaches tissue would empty the image.
  constexpr double kHighest_hu = -900, kWide_hu = 1000;
  const double high_hu = h.slope * (*h.padding)[1] + h.intercept;
  if (h.series.modality == "CT" && high_hu > kHighest_hu && h.slope * std::abs(a - b) > kWide_hu) {
    h.padding.reset();
    h.doubts.emplace_back("PixelPaddingRangeLimit reaches into true values: it was passed over");
  }
}

void read_rescale(FunctionalGroups& groups, Header& h) {
  const int frame = h.instance.frame;
  DcmItem& macro = groups.macro(frame, DCM_PixelValueTransformationSequence);
  DcmItem& item = macro.card() > 0 ? macro : groups.holder(frame, DCM_RescaleSlope);  // as PET converters have it
  if (item.tagExistsWithValue(DCM_ModalityLUTSequence))
    throw Error(ErrorCode::input_unsupported, "values go through a ModalityLUTSequence, which is not supported");
  const bool ct = h.series.modality == "CT";
  const std::optional<double> slope = number(item, DCM_RescaleSlope), intercept = number(item, DCM_RescaleIntercept);
  h.slope = slope.value_or(1);
  h.intercept = intercept.value_or(0);
  h.has_slope = slope.has_value();
  if (h.slope == 0) bad_value("RescaleSlope is 0");
  if (!is_rescale(h.slope, h.intercept)) bad_value("RescaleSlope or RescaleIntercept is beyond all sense");
  if (h.series.modality == "PT" && !slope) bad_value("a PET image has no RescaleSlope");
  if (h.slope < 0 && ct) bad_value("RescaleSlope of a CT is negative");
  if (h.slope < 0) h.doubts.emplace_back("RescaleSlope is negative");
  if (ct && !intercept) h.doubts.emplace_back("CT without RescaleIntercept: values may not be HU");

  std::string type = display_text(item, DCM_RescaleType);
  if (ct && frame > 0 && type == "US") type.clear();  // What converters put where the images say nothing.
  if (h.series.modality == "PT") {
    h.series.unit = display_text(groups.holder(frame, DCM_Units), DCM_Units);
    if (h.series.unit.empty() && frame > 0 && type != "US") h.series.unit = type;
    if (h.series.unit.empty()) h.doubts.emplace_back("PET without Units");
  } else if (ct) {
    if (intercept) h.series.unit = type.empty() ? "HU" : type;
    if (!type.empty() && type != "HU") h.doubts.push_back("RescaleType of a CT is " + type + ", not HU");
  } else if (type != "US") {
    h.series.unit = type;
  }
}

bool is_length(double mm) { return mm > 1e-4 && mm < 1e4; }

void read_place(FunctionalGroups& groups, Header& h) {
  const int frame = h.instance.frame;
  DcmItem& measures = groups.macro(frame, DCM_PixelMeasuresSequence);
  h.thickness = number_if_good(measures, DCM_SliceThickness);
  h.spacing_between_slices = number_if_good(measures, DCM_SpacingBetweenSlices);
  h.position = fixed_values<3>(groups.macro(frame, DCM_PlanePositionSequence), DCM_ImagePositionPatient);
  if (h.position && is_far(*h.position)) bad_value("ImagePositionPatient is more than 1 km away");
  h.pixel_spacing = fixed_values<2>(measures, DCM_PixelSpacing);
  if (h.pixel_spacing && (!is_length((*h.pixel_spacing)[0]) || !is_length((*h.pixel_spacing)[1])))
    bad_value("PixelSpacing is no length of a pixel");
  const auto cosines = fixed_values<6>(groups.macro(frame, DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient);
  if (!cosines) return;
  const auto& v = *cosines;
  const Vec3 row{v[0], v[1], v[2]}, column{v[3], v[4], v[5]};
  if (!are_axes(row, column)) bad_value("ImageOrientationPatient is not two orthogonal unit vectors");
  h.orientation = {row, column};
}

void read_concatenation(DcmItem& item, Header& h) {
  h.concatenation_uid = raw_text(item, DCM_ConcatenationUID);
  if (h.concatenation_uid.empty()) return;
  h.concatenation_part = static_cast<int>(std::clamp(number(item, DCM_InConcatenationNumber).value_or(1), 1., 65535.));
  h.concatenation_parts =
      static_cast<int>(std::clamp(number(item, DCM_InConcatenationTotalNumber).value_or(0), 0., 65535.));
}

void check_file_size(const Header& h, E_TransferSyntax syntax) {
  if (DcmXfer(syntax).isEncapsulated() || h.transfer_syntax_uid == UID_DeflatedExplicitVRLittleEndianTransferSyntax)
    return;
  std::error_code error;
  const auto bytes = std::filesystem::file_size(h.instance.path, error);
  if (!error && bytes < static_cast<std::uintmax_t>(pixel_bytes(h.pixels)))
    throw Error(ErrorCode::input_unreadable, "the file is cut short: it does not hold its pixels");
}

void read_description(DcmItem& item, Series& s) {
  s.modality = display_text(item, DCM_Modality);
  s.description = display_text(item, DCM_SeriesDescription);
  s.protocol_name = display_text(item, DCM_ProtocolName);
  s.body_part = display_text(item, DCM_BodyPartExamined);
  s.image_type = display_text(item, DCM_ImageType);
}

/// From a macro of the frame, or under the tag of a single image.
std::optional<double> either(FunctionalGroups& groups, int frame, const DcmTagKey& macro, const DcmTagKey& frame_tag,
                             const DcmTagKey& tag) {
  if (frame > 0)
    if (const auto value = number_if_good(groups.macro(frame, macro), frame_tag)) return value;
  return number_if_good(groups.holder(frame, tag), tag);
}

bool has_contrast(FunctionalGroups& groups, int frame) {
  DcmItem& usage = groups.macro(frame, DCM_ContrastBolusUsageSequence);
  if (frame > 0 && raw_text(usage, DCM_ContrastBolusAgentAdministered) == "NO") return false;
  return !raw_text(groups.holder(frame, DCM_ContrastBolusAgent), DCM_ContrastBolusAgent).empty() ||
         (frame > 0 &&
          groups.holder(frame, DCM_ContrastBolusAgentSequence).tagExistsWithValue(DCM_ContrastBolusAgentSequence));
}

void read_technique(FunctionalGroups& groups, Header& h) {
  const int frame = h.instance.frame;
  Series& s = h.series;
  s.scanning_sequence = display_text(groups.holder(frame, DCM_ScanningSequence), DCM_ScanningSequence);
  s.repetition_time_ms =
      either(groups, frame, DCM_MRTimingAndRelatedParametersSequence, DCM_RepetitionTime, DCM_RepetitionTime);
  s.echo_time_ms = either(groups, frame, DCM_MREchoSequence, DCM_EffectiveEchoTime, DCM_EchoTime);
  s.inversion_time_ms = either(groups, frame, DCM_MRModifierSequence, DCM_InversionTimes, DCM_InversionTime);
  s.contrast = has_contrast(groups, frame);
  h.marks = read_marks(groups, frame);
  s.image_type = h.marks[kImageType];
  const std::vector<std::string> type = split_values(s.image_type);
  h.localizer = type.size() >= 3 && type[2] == "LOCALIZER";
}

/// What one image says, after what all images of its file say.
void read_image(FunctionalGroups& groups, Header& h) {
  read_technique(groups, h);
  try {
    read_rescale(groups, h);
    read_place(groups, h);
  } catch (const Error& error) {
    if (!h.fault) h.fault = Fault{error.code(), error.what()};
  }
}

std::string patient_key(DcmItem& item) {
  std::string name = raw_text(item, DCM_PatientName);
  name.erase(name.find_last_not_of("^ ") + 1);
  return sha256_hex(raw_text(item, DCM_PatientID) + '\n' + name);
}

}  // namespace

void check_syntax(const Header& h) {
  const std::string& uid = h.transfer_syntax_uid;
  if (is_readable_syntax(uid)) return;
  const char* name = dcmFindNameOfUID(uid.c_str());
  throw Error(ErrorCode::dicom_syntax_unsupported, "transfer syntax " + uid +
                                                       (name ? std::string(" (") + name + ")" : "") +
                                                       " is not supported: send it uncompressed");
}

Header read_identity(DcmFileFormat& file, const std::string& path) {
  DcmDataset& item = *file.getDataset();
  Header h;
  h.instance.path = path;
  h.instance.sop_class_uid = needed_uid(item, DCM_SOPClassUID);
  h.instance.sop_instance_uid = needed_uid(item, DCM_SOPInstanceUID);
  h.series.study_uid = needed_uid(item, DCM_StudyInstanceUID);
  h.series.series_uid = needed_uid(item, DCM_SeriesInstanceUID);
  h.series.patient_key = patient_key(item);
  read_description(item, h.series);
  h.transfer_syntax_uid = raw_text(*file.getMetaInfo(), DCM_TransferSyntaxUID);
  if (h.transfer_syntax_uid.empty()) h.transfer_syntax_uid = DcmXfer(item.getOriginalXfer()).getXferID();
  h.series.lossy = is_lossy(file);
  if (h.series.lossy) h.doubts.emplace_back("was compressed with loss");
  return h;
}

std::vector<Header> read_headers(DcmFileFormat& file, const std::string& path) {
  DcmDataset& item = *file.getDataset();
  check_class(needed_uid(item, DCM_SOPClassUID));
  Header h = read_identity(file, path);
  std::vector<Header> headers;
  try {
    FunctionalGroups groups(item);
    if (groups.frames() == 0) {
      h.instance_number = number_if_good(item, DCM_InstanceNumber);
      h.images_in_acquisition = number_if_good(item, DCM_ImagesInAcquisition);
    }
    try {
      h.series.frame_of_reference_uid = raw_text(item, DCM_FrameOfReferenceUID);
      if (!h.series.frame_of_reference_uid.empty() && !is_uid(h.series.frame_of_reference_uid))
        bad_value("FrameOfReferenceUID is no UID");
      read_concatenation(item, h);
      read_pixels(item, h, groups.frames());
      read_padding(item, h);
      check_syntax(h);
      check_file_size(h, item.getOriginalXfer());
    } catch (const Error& error) {
      h.fault = Fault{error.code(), error.what()};
    }
    for (int frame = std::min(1, groups.frames()); frame <= groups.frames(); ++frame) {
      headers.push_back(h);
      headers.back().instance.frame = frame;
      read_image(groups, headers.back());
    }
  } catch (const Error& error) {
    h.instance.frame = 1;
    h.fault = Fault{error.code(), error.what()};
    headers = {h};
  }
  return headers;
}

}  // namespace oncotome::dicom
