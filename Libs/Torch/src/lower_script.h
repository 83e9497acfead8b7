// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "TorchCompat.h"
#include "oncotome/engine/backend.h"

namespace oncotome::torch_backend {

/// The forward method of a module in evaluation mode, operation by operation; only what its output depends on counts,
/// so checks that raise are left out.
engine::ScriptGraph lower_script(const torch::jit::Module& module);

}  // namespace oncotome::torch_backend
