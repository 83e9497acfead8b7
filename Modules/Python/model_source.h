// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "oncotome/engine/session.h"
#include "unpacked_input.h"

namespace oncotome::python {

/// Where a model lies, and what it runs on.
struct ModelSource {
  std::string path;  ///< Folder or .zip.
  engine::Device device = engine::Device::automatic;
  engine::Precision precision = engine::Precision::f32;
  int threads = 0;                              ///< 0: one per core.
  std::shared_ptr<const engine::Model> loaded;  ///< Null: it is loaded when it is needed, each time.
};

/// The package that lies there, or the one that is loaded.
class ReadModel {
 public:
  ReadModel(const ModelSource& source, const Job& job);

  const engine::ModelPackage& package() const { return source_.loaded ? source_.loaded->package() : package_; }
  std::shared_ptr<const engine::Model> loaded() const;

 private:
  const ModelSource& source_;
  std::optional<workflow::UnpackedInput> folder_;  ///< Holds the files of a .zip.
  engine::ModelPackage package_;
};

/// What the source's model says of itself. Throws Error alone.
engine::ModelPackage read_package(const ModelSource& source);

/// The same source with its model loaded. Throws Error alone.
ModelSource load_model(ModelSource source);

}  // namespace oncotome::python
