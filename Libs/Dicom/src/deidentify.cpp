// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/deidentify.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "deidentify_item.h"
#include "file_start.h"
#include "guarded_load.h"
#include "header.h"
#include "own_meta.h"
#include "quiet_dcmtk.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_under(const std::vector<std::string>& paths, const Job& job) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_regular_file(path, error)) files.push_back(path);
    if (!fs::exists(path, error)) throw Error(ErrorCode::input_not_found, "an input path does not exist");
    if (!fs::is_directory(path, error)) continue;
    for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
      job.check();
      std::error_code ignored;
      if (fs::is_regular_file(entry->symlink_status(ignored))) files.push_back(entry->path().string());
    }
    if (error) throw Error(ErrorCode::input_unreadable, "a folder of the input cannot be read");
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

bool starts_with(const std::string& text, const std::string& head) { return text.rfind(head, 0) == 0; }

/// Screens, ultrasound and photographs: text or a face may be in their pixels.
bool is_suspect(DcmDataset& dataset, const std::string& sop_class) {
  // Each with the classes below it, such as video under photographs.
  for (const char* family : {UID_SecondaryCaptureImageStorage, UID_RETIRED_UltrasoundMultiframeImageStorage,
                             UID_RETIRED_UltrasoundImageStorage, UID_RETIRED_VLImageStorage})
    if (sop_class == family || starts_with(sop_class, std::string(family) + '.')) return true;
  const std::vector<std::string> types = split_values(raw_text(dataset, DCM_ImageType));
  return std::find(types.begin(), types.end(), "SCREEN SAVE") != types.end() ||
         !raw_text(dataset, DCM_ConversionType).empty();
}

/// Why an object cannot be handed out, or "".
std::string refusal(DcmDataset& dataset) {
  const std::string sop_class = raw_text(dataset, DCM_SOPClassUID), burned = raw_text(dataset, DCM_BurnedInAnnotation);
  if (!is_uid(sop_class) || !is_uid(raw_text(dataset, DCM_SOPInstanceUID))) return "no SOP class or instance UID";
  if (burned == "YES") return "burned-in annotation";
  if (starts_with(sop_class, "1.2.840.10008.5.1.4.1.1.104.") || dataset.tagExists(DCM_EncapsulatedDocument))
    return "encapsulated document";
  if (sop_class == UID_RawDataStorage) return "raw data";
  if (burned != "NO" && is_suspect(dataset, sop_class))
    return "screen, ultrasound or photograph that does not say it has no burned-in annotation";
  if (!settle_unknown(dataset)) return "binary value of unknown representation";
  return "";
}

void write(DcmFileFormat& file, const std::string& folder, std::uint64_t number) {
  const DcmXfer syntax(file.getDataset()->getOriginalXfer());
  // Explicit has no room for a text of more than 64 KiB but as UN.
  const E_TransferSyntax own = syntax.isEncapsulated() ? syntax.getXfer()
                               : syntax.isImplicitVR() ? EXS_LittleEndianImplicit
                                                       : EXS_LittleEndianExplicit;
  // Preamble and meta information of its own: those of the source can hold anything.
  DcmFileFormat own_file(file.getAndRemoveDataset(), OFFalse);
  char name[32];
  std::snprintf(name, sizeof name, "%06llu.dcm", static_cast<unsigned long long>(number));
  if (save_as_own(own_file, (fs::path(folder) / name).string(), own).bad())
    throw Error(ErrorCode::output_unwritable,
                std::string("cannot write '") + name + "': check the folder, its permissions and the free space");
}

}  // namespace

DeidentifyReport deidentify(const std::vector<std::string>& paths, const std::string& folder,
                            const DeidentifyOptions& options, const Job& job) {
  const QuietDcmtk quiet;
  if (!dcmDataDict.isDictionaryLoaded())
    throw Error(ErrorCode::internal, "DCMTK finds no data dictionary: check DCMDICTPATH");
  DeidentifyReport report;
  const std::vector<std::string> files = files_under(paths, job);
  for (std::size_t i = 0; i < files.size(); ++i) {
    job.report("de-identify", static_cast<double>(i) / static_cast<double>(files.size()));
    const FileKind kind = kind_of_file(files[i]);
    if (kind == FileKind::unknown || kind == FileKind::dicomdir) {
      ++report.not_dicom;
      continue;
    }
    DcmFileFormat file;
    std::string reason = "damaged";
    try {
      if (guarded_load(file, files[i], kAfterPixelData).good()) reason = refusal(*file.getDataset());
    } catch (const Error&) {
    }
    if (!reason.empty()) {
      ++report.left_out[reason];
      continue;
    }
    Deidentifier(*file.getDataset(), options, report).run();
    write(file, folder, ++report.written);
  }
  if (report.written == 0)
    throw Error(ErrorCode::input_no_images,
                "none of the " + std::to_string(files.size()) +
                    " files can be de-identified: no DICOM, damaged, or with burned-in text");
  return report;
}

}  // namespace oncotome::dicom
