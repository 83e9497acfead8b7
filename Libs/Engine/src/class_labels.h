// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oncotome/core/lesion.h"

namespace oncotome::engine {

/// What a class of a model that names its classes, and no codes, is taken for: a lesion where the name says so (tumor,
/// lesion, nodule, cancer, ...), else an anatomical structure.
Label label_of(std::uint8_t value, const std::string& name);

}  // namespace oncotome::engine
