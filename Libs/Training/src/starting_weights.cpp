// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/error.h"
#include "oncotome/engine/weight_file.h"
#include "trainer.h"

namespace oncotome::training {
namespace {

// State dicts lie in checkpoints, and in modules of modules, under these.
std::string plain_name(std::string name) {
  for (bool again = true; again;) {
    again = false;
    for (const char* prefix : {"state_dict.", "model_state_dict.", "model.", "module.", "network_weights."})
      if (name.rfind(prefix, 0) == 0) {
        name.erase(0, std::string(prefix).size());
        again = true;
      }
  }
  return name;
}

}  // namespace

engine::Weights starting_weights(const Config& config, const std::function<void(const std::string&)>& log) {
  engine::Weights weights = engine::initial_weights(config.network, config.seed);
  if (config.initial_weights.empty()) return weights;
  engine::Weights given;
  for (auto& [name, tensor] : engine::WeightFile::open(config.initial_weights.string())->read_all(""))
    given[plain_name(name)] = std::move(tensor);
  std::size_t taken = 0;
  std::string begun;
  for (auto& [name, tensor] : weights) {
    const auto found = given.find(name);
    // 2-D kernels lack the depth axis, fully connected layers the extent.
    const bool fits = found != given.end() && found->second.values.size() == tensor.values.size() &&
                      !found->second.shape.empty() && found->second.shape[0] == tensor.shape[0];
    if (fits) {
      tensor.values = std::move(found->second.values);
      ++taken;
    } else {
      begun += (begun.empty() ? "" : ", ") + name;
    }
  }
  if (taken == 0)
    throw Error(ErrorCode::weights_invalid,
                "no tensor of the initial weights has a name and shape of " + config.network.architecture);
  if (log) {
    log(std::to_string(taken) + " of " + std::to_string(weights.size()) +
        " tensors begin as the initial weights have them");
    if (!begun.empty()) log("begun anew: " + begun);
  }
  return weights;
}

}  // namespace oncotome::training
