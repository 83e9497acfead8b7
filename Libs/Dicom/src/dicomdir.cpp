// SPDX-License-Identifier: Apache-2.0
#include "dicomdir.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "guarded_load.h"
#include "header.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

namespace fs = std::filesystem;

bool is_safe(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string("/\0", 2)) == std::string::npos;
}

/// As it is written or, as systems show a disc, in lower case; links are not followed. Empty when it is not there.
fs::path find_entry(const fs::path& folder, std::string name, fs::file_type type) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::error_code ignored;
    if (fs::symlink_status(folder / name, ignored).type() == type) return folder / name;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  }
  return {};
}

fs::path find_file(const fs::path& folder, const std::vector<std::string>& id) {
  fs::path place = folder;
  for (std::size_t i = 0; i < id.size() && !place.empty(); ++i)
    place = find_entry(place, id[i], i + 1 == id.size() ? fs::file_type::regular : fs::file_type::directory);
  return place;
}

}  // namespace

std::vector<std::string> files_of_dicomdir(const std::string& path, std::vector<Rejected>& rejected) {
  DcmFileFormat file;
  DcmSequenceOfItems* records = nullptr;
  if (guarded_load(file, path, kAfterPixelData).bad() ||
      file.getDataset()->findAndGetSequence(DCM_DirectoryRecordSequence, records).bad() || !records)
    throw Error(ErrorCode::input_unreadable, "the file is a DICOMDIR without records");
  std::vector<std::string> files;
  std::set<std::vector<std::string>> seen;
  for (DcmObject* item = records->nextInContainer(nullptr); item; item = records->nextInContainer(item)) {
    const std::vector<std::string> id = split_values(raw_text(*static_cast<DcmItem*>(item), DCM_ReferencedFileID));
    if (id.empty() || !seen.insert(id).second) continue;
    if (!std::all_of(id.begin(), id.end(), is_safe)) {
      rejected.push_back({path, ErrorCode::input_unreadable, "the DICOMDIR names a file outside of its folder"});
      continue;
    }
    const fs::path found = find_file(fs::path(path).parent_path(), id);
    if (!found.empty()) {
      files.push_back(found.string());
      continue;
    }
    std::string name;
    for (const std::string& part : id) name += (name.empty() ? "" : "/") + part;
    rejected.push_back({(fs::path(path).parent_path() / name).string(), ErrorCode::input_not_found,
                        "the DICOMDIR names this file, which is not there"});
  }
  return files;
}

}  // namespace oncotome::dicom
