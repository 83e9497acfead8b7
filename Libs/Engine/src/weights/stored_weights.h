// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "element_type.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/weight_file.h"
#include "stored_bytes.h"

namespace oncotome::engine::weights {

/// Where one tensor's elements lie.
struct View {
  const ElementType* type = nullptr;
  std::uint64_t position = 0;  ///< Of the first element, in bytes of the file.
  std::uint64_t stored = 0;    ///< Bytes from there on that belong to the storage.
  std::vector<std::int64_t> strides;
};

/// What every format of weights comes to: names, and places in a file.
class StoredWeights final : public WeightFile {
 public:
  struct Description {
    std::string kind;
    std::vector<Entry> entries;
    std::vector<View> views;  ///< Of each entry.
    nlohmann::ordered_json contents;
    bool big_endian = false;
  };
  StoredWeights(std::unique_ptr<StoredBytes> file, Description description);

  std::string kind() const override { return description_.kind; }
  const std::vector<Entry>& tensors() const override { return description_.entries; }
  Tensor read(const std::string& name) const override;
  nlohmann::ordered_json contents() const override { return description_.contents; }

 private:
  std::unique_ptr<StoredBytes> file_;
  Description description_;
  std::map<std::string, std::size_t> index_;
};

/// Each throws Error{weights_invalid, model_unsupported, input_unreadable}.
StoredWeights::Description describe_safetensors(const StoredBytes& file);
StoredWeights::Description describe_torch_zip(const StoredBytes& file);
StoredWeights::Description describe_torch_legacy(const StoredBytes& file);

}  // namespace oncotome::engine::weights
