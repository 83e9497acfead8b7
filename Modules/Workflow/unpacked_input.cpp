// SPDX-License-Identifier: Apache-2.0
#include "unpacked_input.h"

#include <minizip/unzip.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>

#include "oncotome/core/error.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFiles = 100000, kMaxBytes = std::uint64_t{8} << 30, kMaxRatio = 100;
constexpr std::uint64_t kSmall = std::uint64_t{1} << 20;  // may shrink more than kMaxRatio, as blank images do

std::string suffix_of(const std::string& name) {
  std::string suffix = fs::path(name).extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char c) { return std::tolower(c); });
  return suffix;
}

[[noreturn]] void refuse(ErrorCode code, const std::string& why) { throw Error(code, "the .zip archive " + why); }

[[noreturn]] void damaged() { refuse(ErrorCode::input_unreadable, "is damaged: send it again"); }

class Archive {
 public:
  Archive(const std::string& path, ArchiveNames names) : names_(names), zip_(unzOpen64(path.c_str()), unzClose) {
    if (!zip_) damaged();
    unz_global_info64 info{};
    if (unzGetGlobalInfo64(zip_.get(), &info) != UNZ_OK) damaged();
    if (info.number_entry > kMaxFiles) refuse(ErrorCode::input_unsupported, "holds more than 100,000 files");
    entries_ = info.number_entry;
  }

  void unpack(const std::string& folder, const Job& job) {
    for (std::uint64_t i = 0; i < entries_; ++i) {
      job.report("unpack", static_cast<double>(i) / static_cast<double>(entries_));
      job.check();
      if ((i == 0 ? unzGoToFirstFile(zip_.get()) : unzGoToNextFile(zip_.get())) != UNZ_OK) damaged();
      unpack_entry(folder, std::to_string(i));
    }
  }

 private:
  void unpack_entry(const std::string& folder, const std::string& number) {
    unz_file_info64 info{};
    std::string name(65536, '\0');
    if (unzGetCurrentFileInfo64(zip_.get(), &info, name.data(), name.size(), nullptr, 0, nullptr, 0) != UNZ_OK)
      damaged();
    name = name.c_str();
    const unsigned mode = info.external_fa >> 16 & 0170000;
    if (fs::path(name).filename().string().rfind("._", 0) == 0) return;                // what macOS adds
    if (name.empty() || name.back() == '/' || (mode != 0 && mode != 0100000)) return;  // folders, links
    if (info.flag & 1) refuse(ErrorCode::input_unsupported, "is encrypted: unpack it first");
    if (info.compression_method != 0 && info.compression_method != Z_DEFLATED)
      refuse(ErrorCode::input_unsupported, "is packed in a way that is not supported: unpack it first");
    if (unzOpenCurrentFile(zip_.get()) != UNZ_OK) damaged();
    const std::uint64_t most = std::max(kSmall, kMaxRatio * std::uint64_t{info.compressed_size});
    fs::path place = fs::path(folder) / (number + (suffix_of(name) == ".dcm" ? ".dcm" : ""));
    if (names_ == ArchiveNames::kept) {
      const fs::path kept = fs::path(name).lexically_normal();
      if (kept.is_absolute() || *kept.begin() == ".." || std::distance(kept.begin(), kept.end()) > 16)
        refuse(ErrorCode::input_unsupported, "names a place outside of itself");
      place = fs::path(folder) / kept;
      std::error_code error;
      fs::create_directories(place.parent_path(), error);
      if (fs::exists(place, error)) refuse(ErrorCode::input_unsupported, "names a file twice");
    }
    std::ofstream out(place, std::ios::binary);
    std::uint64_t size = 0;
    for (int got = 1; got > 0;) {
      got = unzReadCurrentFile(zip_.get(), buffer_.data(), static_cast<unsigned>(buffer_.size()));
      if (got < 0) damaged();
      size += static_cast<std::uint64_t>(got);
      total_ += static_cast<std::uint64_t>(got);
      if (size > most || total_ > kMaxBytes)
        refuse(ErrorCode::input_unsupported, "unpacks to far more than it should: unpack it by hand if you trust it");
      out.write(buffer_.data(), got);
    }
    out.close();
    if (!out)
      refuse(ErrorCode::output_unwritable,
             "cannot be unpacked: check the free space of the temporary folder ($TMPDIR)");
    if (unzCloseCurrentFile(zip_.get()) != UNZ_OK) damaged();
  }

  ArchiveNames names_;
  std::unique_ptr<void, int (*)(unzFile)> zip_;
  std::uint64_t entries_ = 0, total_ = 0;
  std::vector<char> buffer_ = std::vector<char>(1 << 16);
};

// What is in a model's folder may be packed, or the folder itself, with others' files beside it.
fs::path model_in(const fs::path& folder) {
  const auto holds_model = [](const fs::path& place) {
    return fs::exists(place / "model.json") || fs::exists(place / "configs");
  };
  if (holds_model(folder)) return folder;
  std::vector<fs::path> inner;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && holds_model(entry.path())) inner.push_back(entry.path());
  return inner.size() == 1 ? inner[0] : folder;
}

}  // namespace

UnpackedInput::UnpackedInput(std::vector<std::string> paths, const Job& job, ArchiveNames names)
    : paths_(std::move(paths)) {
  for (std::string& path : paths_) {
    std::error_code ignored;
    if (suffix_of(path) != ".zip" || !fs::is_regular_file(path, ignored)) continue;
    Archive archive(path, names);
    folders_.push_back(private_folder("oncotome-unpacked"));
    archive.unpack(folders_.back()->path().string(), job);
    path = folders_.back()->path().string();
    if (names == ArchiveNames::kept) path = model_in(path).string();
  }
}

}  // namespace oncotome::workflow
