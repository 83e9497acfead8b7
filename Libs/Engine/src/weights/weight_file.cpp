// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/weight_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "oncotome/core/error.h"
#include "stored_weights.h"

namespace oncotome::engine {
namespace weights {
namespace {

bool is_contiguous(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
  std::int64_t expected = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] != 1 && strides[axis] != expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/// Puts elements that lie `strides` apart in `from` one after another.
std::string gather(const std::string& from, std::size_t size, const Tensor& tensor,
                   const std::vector<std::int64_t>& strides) {
  const std::size_t count = tensor.values.size();
  std::string packed(count * size, '\0');
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(&packed[i * size], from.data() + static_cast<std::size_t>(at) * size, size);
    for (std::size_t axis = index.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      at -= strides[axis] * tensor.shape[axis];
      index[axis] = 0;
    }
  }
  return packed;
}

void swap_bytes(std::string& bytes, std::size_t size) {
  for (std::size_t at = 0; at < bytes.size(); at += size)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
}

}  // namespace

StoredWeights::StoredWeights(std::unique_ptr<StoredBytes> file, Description description)
    : file_(std::move(file)), description_(std::move(description)) {
  for (std::size_t i = 0; i < description_.entries.size(); ++i)
    if (!index_.emplace(description_.entries[i].name, i).second)
      refuse("two of its tensors have the name '" + description_.entries[i].name + "'");
}

Tensor StoredWeights::read(const std::string& name) const {
  const auto refuse_tensor = [&](const std::string& why) {
    throw Error(ErrorCode::weights_invalid, "'" + file_->name() + "': tensor '" + name + "' " + why);
  };
  const auto found = index_.find(name);
  if (found == index_.end()) refuse_tensor("is not there");
  const View& view = description_.views[found->second];
  const std::vector<std::int64_t>& shape = description_.entries[found->second].shape;
  const std::size_t size = view.type->size;
  if (view.type->to_float == nullptr)
    refuse_tensor(std::string("is of type ") + view.type->name + ", which is not read");
  Tensor tensor;
  tensor.shape = shape;
  std::uint64_t count = 1, span = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::uint64_t>(extent);
  if (count == 0) return tensor;
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    span += static_cast<std::uint64_t>(view.strides[axis] * (shape[axis] - 1));
  if (std::max(count, span) > view.stored / size) refuse_tensor("is larger than what is stored of it");
  tensor.values.resize(static_cast<std::size_t>(count));
  const bool contiguous = is_contiguous(shape, view.strides);
  if (contiguous && !description_.big_endian && std::string("float32") == view.type->name) {
    file_->read(view.position, tensor.values.data(), count * size);
  } else {
    std::string bytes = file_->text(view.position, span * size);
    if (description_.big_endian) swap_bytes(bytes, size);
    if (!contiguous) bytes = gather(bytes, size, tensor, view.strides);
    view.type->to_float(bytes.data(), tensor.values.size(), tensor.values.data());
  }
  for (const float value : tensor.values)
    if (!std::isfinite(value)) refuse_tensor("holds a value that is not finite");
  return tensor;
}

}  // namespace weights

std::unique_ptr<WeightFile> WeightFile::open(const std::string& path) {
  auto file = std::make_unique<weights::StoredBytes>(path);
  const std::string name = file->name();
  try {
    const std::string start = file->text(0, std::min<std::uint64_t>(file->size(), 9));
    weights::StoredWeights::Description description;
    if (start.compare(0, 2, "PK") == 0)
      description = weights::describe_torch_zip(*file);
    else if (start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5)
      description = weights::describe_torch_legacy(*file);
    else if (start.size() == 9 && start[8] == '{')
      description = weights::describe_safetensors(*file);
    else
      weights::refuse("it is neither what torch.save writes, nor TorchScript, nor safetensors");
    return std::make_unique<weights::StoredWeights>(std::move(file), std::move(description));
  } catch (const Error& error) {
    throw Error(error.code(), "'" + name + "': " + error.what());
  }
}

Weights WeightFile::read_all(const std::string& prefix) const {
  const std::string start = prefix.empty() ? "" : prefix + '.';
  Weights found;
  for (const Entry& entry : tensors()) {
    if (entry.name.rfind(start, 0) != 0 || entry.dtype.find("float") == std::string::npos) continue;
    if (!entry.same_as.empty() && entry.same_as.rfind(start, 0) == 0 &&
        found.count(entry.same_as.substr(start.size())) > 0)
      continue;
    found.emplace(entry.name.substr(start.size()), read(entry.name));
  }
  return found;
}

}  // namespace oncotome::engine
