// SPDX-License-Identifier: Apache-2.0
#include "result_header.h"

#include <dcmtk/dcmiod/cielabutil.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iterator>
#include <vector>

#include "guarded_load.h"
#include "oncotome/core/error.h"
#include "own_meta.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

const DcmTagKey kType2[] = {DCM_StudyDate,   DCM_StudyTime, DCM_AccessionNumber,  DCM_ReferringPhysicianName,
                            DCM_PatientName, DCM_PatientID, DCM_PatientBirthDate, DCM_PatientSex,
                            DCM_StudyID};
const DcmTagKey kOptional[] = {DCM_SpecificCharacterSet,
                               DCM_TimezoneOffsetFromUTC,
                               DCM_StudyDescription,
                               DCM_IssuerOfPatientID,
                               DCM_PatientAge,
                               DCM_PatientSize,
                               DCM_PatientWeight,
                               DCM_PatientIdentityRemoved,
                               DCM_DeidentificationMethod,
                               DCM_DeidentificationMethodCodeSequence,
                               DCM_ClinicalTrialSponsorName,
                               DCM_ClinicalTrialProtocolID,
                               DCM_ClinicalTrialProtocolName,
                               DCM_ClinicalTrialSiteID,
                               DCM_ClinicalTrialSiteName,
                               DCM_ClinicalTrialSubjectID,
                               DCM_ClinicalTrialSubjectReadingID,
                               DCM_ClinicalTrialTimePointID,
                               DCM_ClinicalTrialTimePointDescription,
                               DCM_ClinicalTrialCoordinatingCenterName};

// dcmiod refuses to write a malformed date or code that it was given to copy; such a value is treated as absent.
void drop_malformed(DcmItem& item) {
  std::vector<DcmTagKey> malformed;
  for (unsigned long i = 0; i < item.card(); ++i) {
    DcmElement* element = item.getElement(i);
    const bool copied = element->getTag().getGroup() == 0x0010 ||
                        std::find(std::begin(kType2), std::end(kType2), element->getTag()) != std::end(kType2);
    const DcmEVR vr = element->ident();
    const bool strict = vr == EVR_DA || vr == EVR_TM || vr == EVR_CS || vr == EVR_AS || vr == EVR_DS;
    if (copied && strict && element->checkValue("1").bad()) malformed.push_back(element->getTag());
  }
  for (const DcmTagKey& tag : malformed) item.findAndDeleteElement(tag);
}

void put(DcmItem& item, const DcmTagKey& tag, const std::string& value) {
  require(item.putAndInsertString(tag, value.c_str()), "an attribute of the header");
}

}  // namespace

void require(const OFCondition& condition, const char* what) {
  if (condition.bad())
    throw Error(ErrorCode::internal, std::string("the DICOM result could not be built: ") + what + ": " +
                                         condition.text() + "; please report this");
}

std::unique_ptr<DcmFileFormat> read_attributes(const std::string& path) {
  auto file = std::make_unique<DcmFileFormat>();
  const OFCondition read = guarded_load(*file, path, DCM_PixelData);
  if (read.bad())
    throw Error(ErrorCode::input_unreadable,
                std::string("a source image could be read before but not again: ") + read.text());
  drop_malformed(*file->getDataset());
  return file;
}

std::string own_text(const std::string& text, std::size_t length) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;  // one '?' for each character, not for each byte
    out += byte < 0x20 || byte > 0x7e || c == '\\' ? '?' : c;
  }
  return out.substr(0, length);
}

void copy_element(DcmItem& source, DcmItem& target, const DcmTagKey& tag) {
  if (source.tagExists(tag))
    require(source.findAndInsertCopyOfElement(tag, &target), "a copied attribute");
  else
    target.findAndDeleteElement(tag);
}

std::array<std::string, 2> local_date_time(const std::string& date, const std::string& time,
                                           const std::string& offset) {
  std::tm utc{}, local{};
  const std::string joined = date + time;
  const char* end = strptime(joined.c_str(), "%Y%m%d%H%M%S", &utc);
  if (!end || *end || date.size() != 8 || time.size() != 6)
    throw Error(ErrorCode::internal, "the result's date or time is not as it should be; please report this");
  std::time_t seconds = timegm(&utc);
  int hours = 0, minutes = 0;
  char sign = 0, more = 0;
  const bool has_zone = std::sscanf(offset.c_str(), "%c%2d%2d%c", &sign, &hours, &minutes, &more) == 3 &&
                        offset.size() == 5 && (sign == '+' || sign == '-');
  if (has_zone) seconds += (sign == '-' ? -60 : 60) * (60 * hours + minutes);
  (has_zone ? gmtime_r : localtime_r)(&seconds, &local);
  char text[2][16];
  std::strftime(text[0], sizeof text[0], "%Y%m%d", &local);
  std::strftime(text[1], sizeof text[1], "%H%M%S", &local);
  return {text[0], text[1]};
}

void put_result_header(DcmItem& target, DcmItem& source, const ResultContext& context, const ResultObject& object) {
  for (const DcmTagKey& tag : kOptional) copy_element(source, target, tag);
  for (const DcmTagKey& tag : kType2) {
    copy_element(source, target, tag);
    if (!target.tagExists(tag)) require(target.insertEmptyElement(tag), "an empty attribute");
  }
  const Provenance& p = context.provenance;
  put(target, DCM_StudyInstanceUID, context.sources.front()->study_uid);
  put(target, DCM_SOPInstanceUID, object.sop_instance_uid);
  put(target, DCM_SeriesInstanceUID, object.series_uid);
  put(target, DCM_Modality, object.modality);
  put(target, DCM_SeriesNumber, std::to_string(object.series_number));
  put(target, DCM_InstanceNumber, "1");
  put(target, DCM_SeriesDescription, own_text(object.description));
  put(target, DCM_Manufacturer, own_text(p.product));
  put(target, DCM_ManufacturerModelName, own_text(algorithm_name(p)));
  put(target, DCM_DeviceSerialNumber, p.model_sha256.empty() ? "0" : p.model_sha256.substr(0, 16));
  put(target, DCM_SoftwareVersions, own_text(p.version) + "\\" + own_text(algorithm_version(p)));
  const auto [date, time] =
      local_date_time(p.content_date, p.content_time, raw_text(source, DCM_TimezoneOffsetFromUTC));
  for (const DcmTagKey& tag : {DCM_ContentDate, DCM_InstanceCreationDate, DCM_SeriesDate}) put(target, tag, date);
  for (const DcmTagKey& tag : {DCM_ContentTime, DCM_InstanceCreationTime, DCM_SeriesTime}) put(target, tag, time);
}

void save_whole(DcmFileFormat& file, const std::string& path, E_TransferSyntax syntax) {
  const std::string temporary = path + ".part";
  const OFCondition saved = save_as_own(file, temporary, syntax);
  std::error_code failed;
  if (saved.good()) std::filesystem::rename(temporary, path, failed);
  if (saved.good() && !failed) return;
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  throw Error(ErrorCode::output_unwritable, "cannot write '" + std::filesystem::path(path).filename().string() +
                                                "': check the folder, its permissions and the free space");
}

std::string algorithm_name(const Provenance& provenance) {
  return provenance.model_name.empty() ? provenance.product : provenance.model_name;
}

std::string algorithm_version(const Provenance& provenance) {
  std::string text = "model " + (provenance.model_version.empty() ? "unknown" : provenance.model_version);
  if (!provenance.model_sha256.empty()) text += ", sha256 " + provenance.model_sha256.substr(0, 12);
  return text;
}

std::array<std::uint16_t, 3> cielab(const std::array<std::uint8_t, 3>& rgb) {
  std::array<double, 3> lab;
  IODCIELabUtil::rgb2DicomLab(lab[0], lab[1], lab[2], rgb[0] / 255.0, rgb[1] / 255.0, rgb[2] / 255.0);
  std::array<std::uint16_t, 3> out;
  for (std::size_t i = 0; i < 3; ++i) out[i] = static_cast<std::uint16_t>(std::clamp(std::round(lab[i]), 0.0, 65535.0));
  return out;
}

}  // namespace oncotome::dicom
