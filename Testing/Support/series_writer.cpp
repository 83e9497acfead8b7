// SPDX-License-Identifier: Apache-2.0
#include "series_writer.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/dicom/decimal_string.h"
#include "own_meta.h"

namespace oncotome::testing {
namespace {

using dicom::decimal_string;

void require(const OFCondition& condition) {
  if (condition.bad()) throw Error(ErrorCode::output_unwritable, std::string("DICOM test series: ") + condition.text());
}

void put(DcmItem& item, const DcmTagKey& tag, const std::string& text) {
  require(item.putAndInsertString(tag, text.c_str()));
}

std::string joined(const Vec3& v) {
  return decimal_string(v[0]) + "\\" + decimal_string(v[1]) + "\\" + decimal_string(v[2]);
}

std::string optional_number(const std::optional<double>& value) { return value ? decimal_string(*value) : ""; }

void put_mr(DcmItem& item, const SeriesRecipe& r) {
  put(item, DCM_ScanningSequence, r.scanning_sequence);
  put(item, DCM_SequenceVariant, "NONE");
  put(item, DCM_ScanOptions, "");
  put(item, DCM_MRAcquisitionType, "2D");
  put(item, DCM_RepetitionTime, optional_number(r.repetition_time_ms));
  put(item, DCM_EchoTime, optional_number(r.echo_time_ms));
  put(item, DCM_EchoTrainLength, "1");
  if (r.inversion_time_ms) put(item, DCM_InversionTime, optional_number(r.inversion_time_ms));
}

void put_pt(DcmItem& item, const SeriesRecipe& r, std::size_t slice, std::size_t slices) {
  put(item, DCM_SeriesDate, r.study_date);
  put(item, DCM_SeriesTime, "101500");
  put(item, DCM_AcquisitionDate, r.study_date);
  put(item, DCM_AcquisitionTime, "101500");
  put(item, DCM_Units, "BQML");
  put(item, DCM_CountsSource, "EMISSION");
  put(item, DCM_SeriesType, "STATIC\\IMAGE");
  put(item, DCM_CorrectedImage, "DECY\\ATTN");
  put(item, DCM_DecayCorrection, "START");
  put(item, DCM_CollimatorType, "NONE");
  put(item, DCM_ActualFrameDuration, "60000");
  put(item, DCM_FrameReferenceTime, "0");
  put(item, DCM_DecayFactor, "1");
  require(item.putAndInsertUint16(DCM_NumberOfSlices, static_cast<Uint16>(slices)));
  require(item.putAndInsertUint16(DCM_ImageIndex, static_cast<Uint16>(slice + 1)));
  for (const auto& tag : {DCM_RadiopharmaceuticalInformationSequence, DCM_PatientOrientationCodeSequence,
                          DCM_PatientGantryRelationshipCodeSequence})
    require(item.insertEmptyElement(tag));
}

void put_pixels(DcmItem& item, const Volume<float>& volume, const SeriesRecipe& r, std::size_t slice) {
  const auto& size = volume.geometry.size;
  std::vector<Uint16> stored(static_cast<std::size_t>(size[0] * size[1]));
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const double value = (volume.voxels[slice * stored.size() + i] - r.intercept) / r.slope;
    const double whole = std::round(value);
    if (!(std::abs(value - whole) < 1e-3 && whole >= -32768 && whole <= 32767))
      throw Error(ErrorCode::dicom_bad_value, "voxel " + std::to_string(i) + " of slice " + std::to_string(slice) +
                                                  " is not an integer of 16 bits");
    stored[i] = static_cast<Uint16>(static_cast<std::int16_t>(whole));
  }
  require(item.putAndInsertUint16(DCM_SamplesPerPixel, 1));
  put(item, DCM_PhotometricInterpretation, "MONOCHROME2");
  require(item.putAndInsertUint16(DCM_Rows, static_cast<Uint16>(size[1])));
  require(item.putAndInsertUint16(DCM_Columns, static_cast<Uint16>(size[0])));
  require(item.putAndInsertUint16(DCM_BitsAllocated, 16));
  require(item.putAndInsertUint16(DCM_BitsStored, 16));
  require(item.putAndInsertUint16(DCM_HighBit, 15));
  require(item.putAndInsertUint16(DCM_PixelRepresentation, 1));
  require(item.putAndInsertUint16Array(DCM_PixelData, stored.data(), stored.size()));
}

const char* storage_class(const std::string& modality) {
  if (modality == "CT") return UID_CTImageStorage;
  if (modality == "PT") return UID_PositronEmissionTomographyImageStorage;
  return UID_MRImageStorage;
}

std::string default_image_type(const std::string& modality) {
  if (modality == "CT") return "ORIGINAL\\PRIMARY\\AXIAL";
  if (modality == "PT") return "ORIGINAL\\PRIMARY";
  return "ORIGINAL\\PRIMARY\\OTHER";
}

void fill(DcmItem& item, const Volume<float>& volume, const SeriesRecipe& r, std::size_t slice, std::size_t number) {
  const Geometry& g = volume.geometry;
  put(item, DCM_SOPClassUID, storage_class(r.modality));
  put(item, DCM_SOPInstanceUID, make_uid(r.series_uid + "/slice " + std::to_string(slice)));
  put(item, DCM_ImageType, r.image_type.empty() ? default_image_type(r.modality) : r.image_type);
  put(item, DCM_StudyDate, r.study_date);
  put(item, DCM_StudyTime, "101112");
  put(item, DCM_ContentDate, r.study_date);
  put(item, DCM_ContentTime, "101112");
  put(item, DCM_AccessionNumber, "");
  put(item, DCM_Modality, r.modality);
  put(item, DCM_Manufacturer, "Oncotome test");
  put(item, DCM_ReferringPhysicianName, "");
  put(item, DCM_StudyDescription, r.study_description);
  put(item, DCM_SeriesDescription, r.description);
  put(item, DCM_PatientName, r.patient_name);
  put(item, DCM_PatientID, r.patient_id);
  put(item, DCM_PatientBirthDate, "19500101");
  put(item, DCM_PatientSex, "O");
  put(item, DCM_BodyPartExamined, r.body_part);
  if (!r.contrast_agent.empty()) put(item, DCM_ContrastBolusAgent, r.contrast_agent);
  if (!r.protocol_name.empty()) put(item, DCM_ProtocolName, r.protocol_name);
  if (r.modality != "PT") put(item, DCM_PatientPosition, "HFS");
  put(item, DCM_StudyInstanceUID, r.study_uid);
  put(item, DCM_SeriesInstanceUID, r.series_uid);
  put(item, DCM_StudyID, "1");
  put(item, DCM_SeriesNumber, std::to_string(r.series_number));
  put(item, DCM_AcquisitionNumber, "1");
  put(item, DCM_InstanceNumber, std::to_string(number));
  put(item, DCM_FrameOfReferenceUID, r.frame_of_reference_uid);
  put(item, DCM_PositionReferenceIndicator, "");
  put(item, DCM_ImagePositionPatient, joined(g.position_mm({0, 0, static_cast<double>(slice)})));
  put(item, DCM_ImageOrientationPatient, joined(g.axis[0]) + "\\" + joined(g.axis[1]));
  put(item, DCM_PixelSpacing, decimal_string(g.spacing_mm[1]) + "\\" + decimal_string(g.spacing_mm[0]));
  put(item, DCM_SliceThickness, decimal_string(g.spacing_mm[2]));
  if (r.modality == "MR") put_mr(item, r);
  if (r.modality == "CT") put(item, DCM_KVP, "120");
  if (r.modality == "PT") put_pt(item, r, slice, static_cast<std::size_t>(g.size[2]));
  if (r.modality != "MR" || r.slope != 1 || r.intercept != 0) {
    put(item, DCM_RescaleSlope, decimal_string(r.slope));
    put(item, DCM_RescaleIntercept, decimal_string(r.intercept));
  }
  if (r.modality == "CT") put(item, DCM_RescaleType, "HU");
  put_pixels(item, volume, r, slice);
}

}  // namespace

std::vector<std::string> write_series(const Volume<float>& volume, const SeriesRecipe& recipe) {
  SeriesRecipe r = recipe;
  if (r.study_uid.empty()) r.study_uid = make_uid(r.seed + "/study");
  if (r.series_uid.empty()) r.series_uid = make_uid(r.seed + "/series " + std::to_string(r.series_number));
  if (r.frame_of_reference_uid.empty()) r.frame_of_reference_uid = make_uid(r.seed + "/frame of reference");
  const auto slices = static_cast<std::size_t>(volume.geometry.size[2]);
  if (r.order.empty()) {
    r.order.resize(slices);
    std::iota(r.order.begin(), r.order.end(), 0);
  }
  std::error_code made;
  std::filesystem::create_directories(r.directory, made);
  std::vector<std::string> paths(slices);
  for (std::size_t n = 0; n < r.order.size(); ++n) {
    const std::size_t slice = r.order[n];
    DcmFileFormat file;
    fill(*file.getDataset(), volume, r, slice, n + 1);
    if (r.edit) r.edit(*file.getDataset(), slice);
    const std::string name = std::to_string(10001 + n).substr(1) + ".dcm";
    paths.at(slice) = (std::filesystem::path(r.directory) / name).string();
    require(dicom::save_as_own(file, paths[slice]));
  }
  return paths;
}

}  // namespace oncotome::testing
