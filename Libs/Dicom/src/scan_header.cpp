// SPDX-License-Identifier: Apache-2.0
#include "header.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "oncotome/core/digest.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

[[noreturn]] void bad_value(const std::string& what) { throw Error(ErrorCode::dicom_bad_value, what); }

std::string needed_uid(DcmItem& item, const DcmTagKey& tag) {
  std::string uid = raw_text(item, tag);
  if (!is_uid(uid)) bad_value(std::string(DcmTag(tag).getTagName()) + (uid.empty() ? " is missing" : " is no UID"));
  return uid;
}

void check_class(const std::string& uid) {
  if (uid == UID_CTImageStorage || uid == UID_MRImageStorage || uid == UID_PositronEmissionTomographyImageStorage)
    return;
  const char* known = dcmFindNameOfUID(uid.c_str());
  const std::string name = known ? known : "SOP class " + uid;
  if (uid == UID_EnhancedCTImageStorage || uid == UID_EnhancedMRImageStorage || uid == UID_EnhancedPETImageStorage ||
      uid == UID_LegacyConvertedEnhancedCTImageStorage || uid == UID_LegacyConvertedEnhancedMRImageStorage ||
      uid == UID_LegacyConvertedEnhancedPETImageStorage)
    throw Error(ErrorCode::input_unsupported, "multi-frame object (" + name + "): send it as single-frame images");
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

void read_pixels(DcmItem& item, Header& h) {
  h.pixels = read_pixel_module(item);
  h.rows = h.pixels.rows;
  h.columns = h.pixels.columns;
  if (h.pixels.frames != 1) bad_value("NumberOfFrames is not 1 in a single-frame image");
  if (h.pixels.samples != 1 || h.pixels.photometric == "PALETTE COLOR") bad_value("a color image");
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
}

void read_rescale(DcmItem& item, Header& h) {
  if (item.tagExistsWithValue(DCM_ModalityLUTSequence))
    throw Error(ErrorCode::input_unsupported, "values go through a ModalityLUTSequence, which is not supported");
  const bool ct = h.series.modality == "CT";
  const std::optional<double> slope = number(item, DCM_RescaleSlope), intercept = number(item, DCM_RescaleIntercept);
  h.slope = slope.value_or(1);
  h.intercept = intercept.value_or(0);
  if (h.slope == 0) bad_value("RescaleSlope is 0");
  if (h.slope < 0 && ct) bad_value("RescaleSlope of a CT is negative");
  if (h.slope < 0) h.doubts.emplace_back("RescaleSlope is negative");
  if (ct && !intercept) h.doubts.emplace_back("CT without RescaleIntercept: values may not be HU");

  const std::string type = display_text(item, DCM_RescaleType);
  if (h.series.modality == "PT") {
    h.series.unit = display_text(item, DCM_Units);
    if (h.series.unit.empty()) h.doubts.emplace_back("PET without Units");
  } else if (ct) {
    if (intercept) h.series.unit = type.empty() ? "HU" : type;
    if (!type.empty() && type != "HU") h.doubts.push_back("RescaleType of a CT is " + type + ", not HU");
  } else if (type != "US") {
    h.series.unit = type;
  }
}

void read_place(DcmItem& item, Header& h) {
  h.position = fixed_values<3>(item, DCM_ImagePositionPatient);
  h.pixel_spacing = fixed_values<2>(item, DCM_PixelSpacing);
  if (h.pixel_spacing && ((*h.pixel_spacing)[0] <= 0 || (*h.pixel_spacing)[1] <= 0))
    bad_value("PixelSpacing is not above 0");
  const auto cosines = fixed_values<6>(item, DCM_ImageOrientationPatient);
  if (!cosines) return;
  const auto& v = *cosines;
  const Vec3 row{v[0], v[1], v[2]}, column{v[3], v[4], v[5]};
  constexpr double kTolerance = 1e-2;
  if (std::abs(norm(row) - 1) > kTolerance || std::abs(norm(column) - 1) > kTolerance ||
      std::abs(dot(row, column)) > kTolerance)
    bad_value("ImageOrientationPatient is not two orthogonal unit vectors");
  h.orientation = {row, column};
}

void check_file_size(const Header& h, E_TransferSyntax syntax) {
  if (DcmXfer(syntax).isEncapsulated() || h.transfer_syntax_uid == UID_DeflatedExplicitVRLittleEndianTransferSyntax)
    return;
  std::error_code error;
  const auto bytes = std::filesystem::file_size(h.instance.path, error);
  if (!error && bytes < static_cast<std::uintmax_t>(h.rows * h.columns * (h.pixels.format.bits_allocated / 8)))
    throw Error(ErrorCode::input_unreadable, file_name(h.instance.path) + " is cut short: it does not hold its pixels");
}

void read_description(DcmItem& item, Series& s) {
  s.modality = display_text(item, DCM_Modality);
  s.description = display_text(item, DCM_SeriesDescription);
  s.protocol_name = display_text(item, DCM_ProtocolName);
  s.body_part = display_text(item, DCM_BodyPartExamined);
  s.image_type = display_text(item, DCM_ImageType);
  s.scanning_sequence = display_text(item, DCM_ScanningSequence);
  s.repetition_time_ms = number_if_good(item, DCM_RepetitionTime);
  s.echo_time_ms = number_if_good(item, DCM_EchoTime);
  s.inversion_time_ms = number_if_good(item, DCM_InversionTime);
  s.contrast = !raw_text(item, DCM_ContrastBolusAgent).empty();
}

std::string patient_key(DcmItem& item) {
  std::string name = raw_text(item, DCM_PatientName);
  name.erase(name.find_last_not_of("^ ") + 1);
  return sha256_hex(raw_text(item, DCM_PatientID) + '\n' + name);
}

}  // namespace

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

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

Header read_header(DcmFileFormat& file, const std::string& path) {
  DcmDataset& item = *file.getDataset();
  check_class(needed_uid(item, DCM_SOPClassUID));
  Header h = read_identity(file, path);

  const std::vector<std::string> type = split_values(h.series.image_type);
  h.localizer = type.size() >= 3 && type[2] == "LOCALIZER";
  h.thickness = number_if_good(item, DCM_SliceThickness);
  h.spacing_between_slices = number_if_good(item, DCM_SpacingBetweenSlices);
  h.instance_number = number_if_good(item, DCM_InstanceNumber);
  h.images_in_acquisition = number_if_good(item, DCM_ImagesInAcquisition);
  try {
    h.series.frame_of_reference_uid = raw_text(item, DCM_FrameOfReferenceUID);
    if (!h.series.frame_of_reference_uid.empty() && !is_uid(h.series.frame_of_reference_uid))
      bad_value("FrameOfReferenceUID is no UID");
    read_pixels(item, h);
    read_rescale(item, h);
    read_padding(item, h);
    read_place(item, h);
    check_syntax(h);
    check_file_size(h, item.getOriginalXfer());
  } catch (const Error& error) {
    h.fault = Fault{error.code(), error.what()};
  }
  return h;
}

}  // namespace oncotome::dicom
