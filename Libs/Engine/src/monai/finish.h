// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "array.h"
#include "oncotome/engine/preparation.h"

namespace oncotome::engine::monai {

/// Scores [K,x,y,z] of the prepared grid to labels [1,x,y,z] of the grid before `history`. Scores go back to that grid
/// one class at a time where labels are made of them there.
Tensor finish(Tensor scores, const std::vector<Finish>& finish, const History& history, std::vector<StepNote>& steps,
              const Job& job);

}  // namespace oncotome::engine::monai
