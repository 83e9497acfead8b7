// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "oncotome/bench/bench.h"

namespace oncotome::bench {

/// oneDNN's primitives one after another, in the faster of two layouts: its own choice, and channels last. Knows
/// convolutions, instance normalization of one sample, LeakyReLU and concatenation.
std::unique_ptr<Peer> onednn_peer(int threads);

}  // namespace oncotome::bench
