// SPDX-License-Identifier: Apache-2.0
#ifndef ToyModel_h
#define ToyModel_h

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "oncotome/core/digest.h"
#include "oncotome/engine/safetensors.h"

/** A model package whose answer is known in closed form: label 3 where a voxel of channel A exceeds its tile's mean. */
inline std::string
MakeToyModel(const std::string & name, int patch)
{
  using oncotome::engine::Tensor;
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / (name + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  Tensor kernel({ 1, 2, 3, 3, 3 });
  kernel.values[13] = 1.0F; // the center tap of channel A; channel B is not looked at
  Tensor one({ 1 }, 1.0F);
  Tensor head({ 2, 1, 1, 1, 1 });
  head.values[1] = 1.0F;
  const oncotome::engine::Weights weights{ { "encoder.0.0.conv.weight", kernel },
                                           { "encoder.0.0.conv.bias", Tensor({ 1 }) },
                                           { "encoder.0.0.norm.weight", one },
                                           { "encoder.0.0.norm.bias", Tensor({ 1 }) },
                                           { "head.weight", head },
                                           { "head.bias", Tensor({ 2 }) } };
  oncotome::engine::write_safetensors((folder / "w.safetensors").string(), weights, {});
  const std::string size = std::to_string(patch);
  std::ofstream(folder / "model.json")
      << R"({"schema": "oncotome.model/1", "name": "toy", "title": "Toy", "version": "1",
    "intended_use": "test", "license": "Apache-2.0", "origin": "test",
    "weights": {"file": "w.safetensors", "sha256": ")" +
             oncotome::sha256_hex_of_file((folder / "w.safetensors").string()) + R"("},
    "input": {"modality": "MR", "region": {"value": "12738006", "scheme": "SCT", "meaning": "Brain"},
              "channels": [{"name": "A", "aliases": ["first"]}, {"name": "B"}]},
    "preparation": [{"step": "orient", "axes": "LPS"}],
    "network": {"architecture": "unet", "dimensions": 3, "in_channels": 2, "out_channels": 2, "features": [1],
                "convs_per_stage": 1, "overlap": 0.5, "class_labels": [0, 3], "patch_size": [)" +
             size + "," + size + "," + size + R"(]},
    "labels": [{"value": 3, "name": "Tumor", "color": [255, 0, 0], "lesion": true,
                "category": {"value": "49755003", "scheme": "SCT", "meaning": "Morphologically Altered Structure"},
                "type": {"value": "108369006", "scheme": "SCT", "meaning": "Neoplasm"}}],
    "lesion": {"min_volume_mm3": 0}})";
  return folder.string();
}

#endif
