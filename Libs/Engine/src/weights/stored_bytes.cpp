// SPDX-License-Identifier: Apache-2.0
#include "stored_bytes.h"

#include <filesystem>

#include "oncotome/core/error.h"

namespace oncotome::engine::weights {

void refuse(const std::string& why) { throw Error(ErrorCode::weights_invalid, "the weights file is damaged: " + why); }

StoredBytes::StoredBytes(const std::string& path) : name_(std::filesystem::path(path).filename().string()) {
  std::error_code ec;
  if (!std::filesystem::is_regular_file(path, ec))
    throw Error(ErrorCode::model_not_found, "there is no weights file '" + name_ + "'");
  file_.rdbuf()->pubsetbuf(nullptr, 0);
  file_.open(path, std::ios::binary);
  size_ = std::filesystem::file_size(path, ec);
  if (!file_ || ec) throw Error(ErrorCode::input_unreadable, "cannot open the weights file '" + name_ + "'");
}

void StoredBytes::read(std::uint64_t position, void* to, std::uint64_t count) const {
  if (position > size_ || count > size_ - position) refuse("it ends before what it describes; get it again");
  const std::lock_guard lock(mutex_);
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(position));
  if (!file_.read(static_cast<char*>(to), static_cast<std::streamsize>(count)))
    throw Error(ErrorCode::input_unreadable, "cannot read the weights file '" + name_ + "'");
}

std::string StoredBytes::text(std::uint64_t position, std::uint64_t count) const {
  if (count > size_) refuse("it ends before what it describes; get it again");
  std::string bytes(static_cast<std::size_t>(count), '\0');
  read(position, bytes.data(), count);
  return bytes;
}

}  // namespace oncotome::engine::weights
