// SPDX-License-Identifier: Apache-2.0
#include "model_source.h"

#include "guarded.h"

namespace oncotome::python {

ReadModel::ReadModel(const ModelSource& source, const Job& job) : source_(source) {
  if (source.loaded) return;
  folder_.emplace(std::vector<std::string>{source.path}, job, workflow::ArchiveNames::kept);
  package_ = engine::read_model_package(folder_->paths().front());
}

std::shared_ptr<const engine::Model> ReadModel::loaded() const {
  return source_.loaded ? source_.loaded
                        : engine::Model::load(package_, source_.device, source_.threads, source_.precision);
}

engine::ModelPackage read_package(const ModelSource& source) {
  return workflow::guarded(ErrorCode::input_unreadable, [&] { return ReadModel(source, Job()).package(); });
}

ModelSource load_model(ModelSource source) {
  source.loaded = workflow::guarded(ErrorCode::input_unreadable, [&] { return ReadModel(source, Job()).loaded(); });
  return source;
}

}  // namespace oncotome::python
