// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/core/json.h"
#include "oncotome/engine/nnunet.h"

namespace oncotome::engine::nnunet {

/// What does not depend on the configuration, of plans.json and dataset.json. Throws Error{model_invalid,
/// model_unsupported} that name the file and the key.
Plans read_plans(const nlohmann::ordered_json& plans, const nlohmann::ordered_json& dataset);

/// One configuration, with everything it inherits; plans from before v2.3 too. Throws the same.
Configuration read_configuration(const nlohmann::ordered_json& plans, const Plans& common, const std::string& name);

/// What a trainer's class name changes of the network; unknown names change nothing and come back as a doubt. It says
/// nothing of mirroring: where a checkpoint stores no axes, nnU-Net does not mirror.
struct TrainerTraits {
  bool batch_norm = false;
  std::string doubt;
};
TrainerTraits trainer_traits(const std::string& trainer_name);

}  // namespace oncotome::engine::nnunet
