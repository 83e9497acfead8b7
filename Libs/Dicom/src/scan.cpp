// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/scan.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <filesystem>
#include <map>
#include <new>
#include <set>
#include <thread>

#include "dicomdir.h"
#include "file_start.h"
#include "guarded_load.h"
#include "header.h"
#include "oncotome/core/parallel.h"
#include "oncotome/core/process.h"
#include "picture.h"
#include "quiet_dcmtk.h"
#include "series.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

namespace fs = std::filesystem;

/// Path of a file -> whether it was given by name.
using Files = std::map<std::string, bool>;

void walk(const fs::path& folder, const Job& job, Files& files, std::vector<Rejected>& rejected) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    job.check();
    std::error_code ignored;
    const fs::path& path = entry->path();
    const fs::file_status status = entry->symlink_status(ignored);
    if (fs::is_regular_file(status))
      files.emplace(path.string(), false);
    else if (fs::is_directory(status))
      walk(path, job, files, rejected);
    else if (fs::is_symlink(status) && fs::is_regular_file(path, ignored))
      rejected.push_back({path.string(), ErrorCode::input_unsupported, "a link: give it by name to read it"});
  }
  if (error) rejected.push_back({folder.string(), ErrorCode::input_unreadable, "the folder cannot be read"});
}

void list_dicomdir(const std::string& path, Files& files, std::vector<Rejected>& rejected) {
  try {
    for (const std::string& file : files_of_dicomdir(path, rejected)) files[file] = true;
  } catch (const Error& error) {
    rejected.push_back({path, error.code(), error.what()});
  }
}

Files list_files(const std::vector<std::string>& paths, const Job& job, std::vector<Rejected>& rejected) {
  Files files;
  for (const std::string& given : paths) {
    std::error_code error;
    const fs::path path = fs::absolute(given, error).lexically_normal();
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) throw Error(ErrorCode::input_not_found, "an input path does not exist");
    if (fs::is_directory(status))
      walk(path, job, files, rejected);
    else if (fs::is_regular_file(status) && kind_of_file(path.string()) == FileKind::dicomdir)
      list_dicomdir(path.string(), files, rejected);
    else if (fs::is_regular_file(status))
      files[path.string()] = true;
    else
      rejected.push_back({path.string(), ErrorCode::input_unsupported, "neither a file nor a folder"});
  }
  return files;
}

bool named_as_dicom(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  std::string suffix = fs::path(name).extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char c) { return std::tolower(c); });
  return suffix == ".dcm" && name.compare(0, 2, "._") != 0;
}

/// Nothing for what has no look of DICOM; throws Error for what cannot be used.
std::vector<Header> read_file(const std::string& path, bool given_by_name) {
  const FileKind kind = kind_of_file(path);
  const bool expected = given_by_name || named_as_dicom(path);
  if (kind == FileKind::dicomdir || (kind == FileKind::unknown && !expected)) return {};
  if (kind == FileKind::unreadable) throw Error(ErrorCode::input_unreadable, "the file cannot be opened");
  if (kind == FileKind::orthanc_packed)
    throw Error(ErrorCode::dicom_syntax_unsupported,
                "it is a compressed file of an Orthanc storage: export the study from Orthanc, or set "
                "StorageCompression to false");
  DcmFileFormat file;
  const OFCondition loaded = guarded_load(file, path, DCM_PixelData);
  if (loaded.bad() || !file.getDataset()->tagExistsWithValue(DCM_SOPClassUID))
    throw Error(ErrorCode::input_unreadable,
                kind == FileKind::unknown ? "it is not a DICOM file" : "the file is damaged or cut short");
  if (is_picture_class(raw_text(*file.getDataset(), DCM_SOPClassUID))) return {read_picture_header(file, path)};
  return read_headers(file, path);
}

/// What a file came to.
struct Outcome {
  std::vector<Header> headers;
  std::optional<Rejected> rejected;
  bool is_out_of_memory = false;
};

Outcome outcome_of(const std::string& path, bool given_by_name) {
  try {
    return {read_file(path, given_by_name), std::nullopt, false};
  } catch (const Error& error) {
    return {{}, Rejected{path, error.code(), error.what()}, false};
  } catch (const std::bad_alloc&) {
    return {{}, std::nullopt, true};
  } catch (const std::exception&) {
    return {{}, Rejected{path, ErrorCode::input_unreadable, "the file cannot be read"}, false};
  }
}

/// Files are waited for more than computed with, most of all on a network: several are read at once.
std::vector<Outcome> read_files(const Files& files, const Job& job) {
  const std::vector<std::pair<std::string, bool>> list(files.begin(), files.end());
  std::vector<Outcome> outcomes(list.size());
  const auto caller = std::this_thread::get_id();
  std::atomic<std::size_t> done{0};
  std::size_t percent = 0;
  job.report("scan", 0);
  const auto read = [&](std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    job.check();
    outcomes[i] = outcome_of(list[i].first, list[i].second);
    const std::size_t now = ++done * 100 / list.size();
    if (std::this_thread::get_id() != caller || now == percent) return;
    job.report("scan", 0.01 * static_cast<double>(now));
    percent = now;
  };
  const auto count = static_cast<std::int64_t>(list.size());
  parallel_for(0, count, read, static_cast<int>(std::min<std::int64_t>(available_cores(), count / 16)));
  return outcomes;
}

}  // namespace

StudyIndex scan(const std::vector<std::string>& paths, const Job& job) {
  const QuietDcmtk quiet;
  StudyIndex index;
  const Files files = list_files(paths, job, index.rejected);
  index.files_seen = files.size();

  using SeriesKey = std::pair<std::string, bool>;  // The UID, and whether its images are pictures.
  std::map<std::string, std::map<SeriesKey, std::vector<Header>>> studies;
  for (Outcome& outcome : read_files(files, job)) {
    if (outcome.is_out_of_memory)
      throw Error(ErrorCode::out_of_memory, "not enough memory to read the headers of the input");
    if (outcome.rejected) index.rejected.push_back(std::move(*outcome.rejected));
    for (Header& header : outcome.headers)
      studies[header.series.study_uid][{header.series.series_uid, header.is_picture}].push_back(std::move(header));
  }

  for (auto& [study_uid, series] : studies) {
    Study study;
    study.study_uid = study_uid;
    std::set<std::string> patients;
    for (auto& [key, headers] : series) {
      for (const Header& h : headers) patients.insert(h.series.patient_key);
      std::vector<Series> made;
      if (key.second)
        made.push_back(make_pictures(std::move(headers)));
      else
        made = split_series(std::move(headers));
      for (Series& s : made) study.series.push_back(std::move(s));
    }
    study.patient_key = *patients.begin();
    if (patients.size() > 1)
      for (Series& s : study.series)
        s.refuse({ErrorCode::dicom_mixed_patients, std::to_string(patients.size()) +
                                                       " patients share one StudyInstanceUID: "
                                                       "correct the data before it is used"});
    index.studies.push_back(std::move(study));
  }
  job.report("scan", 1);
  return index;
}

}  // namespace oncotome::dicom
