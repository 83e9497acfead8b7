// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

/// A file of trained weights: what torch.save writes (zip and the older form), a TorchScript archive's parameters, or
/// safetensors. Nothing in it is ever executed: a pickle may only name what an allow-list holds, anything else becomes
/// a note of its name. Tensors are read when they are asked for, so an optimizer's state costs nothing.
class WeightFile {
 public:
  struct Entry {
    std::string name;   ///< Path of keys joined by '.', such as "network_weights.encoder.stages.0...".
    std::string dtype;  ///< "float32", "float16", "bfloat16", "float64", "int64", ...
    std::vector<std::int64_t> shape;
    std::string same_as;  ///< First name of the same tensor, where it has several.
  };

  /// Throws Error{model_not_found, weights_invalid, model_unsupported, input_unreadable}.
  static std::unique_ptr<WeightFile> open(const std::string& path);
  virtual ~WeightFile() = default;

  /// "torch zip", "torch legacy", "TorchScript" or "safetensors".
  virtual std::string kind() const = 0;
  /// In the file's order.
  virtual const std::vector<Entry>& tensors() const = 0;
  /// As float32, whatever it is stored as. Throws Error{weights_invalid} where it is absent, of a type that is
  /// not read, not wholly in the file, or holds a value that is not finite.
  virtual Tensor read(const std::string& name) const = 0;
  /// Everything but the tensors' values: of a checkpoint the tree of its keys, with {"tensor": name} for each tensor
  /// and {"object": name} for what is not understood; of safetensors its metadata.
  virtual nlohmann::ordered_json contents() const = 0;

  /// Every floating-point tensor whose name begins with `prefix` (and a '.'), without it; all with "". A tensor of
  /// several names comes once, under the first.
  Weights read_all(const std::string& prefix) const;
};

}  // namespace oncotome::engine
