// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/engine/backend.h"

namespace oncotome::engine::native {

struct Options {
  Precision precision = Precision::f32;
  const char* isa = nullptr;  ///< The greatest instruction set to use; null: the best one here.
  int threads = 1;
  bool poison = false;  ///< Fills memory with what is no number before each run: a test of what is read.
};

/// Throws Error{device_unavailable} where no kernel of the precision runs, Error{usage} for an unknown set.
std::shared_ptr<const Backend> make_backend(const Options& options);

}  // namespace oncotome::engine::native
