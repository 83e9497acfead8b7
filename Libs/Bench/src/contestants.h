// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "cases.h"

namespace oncotome::bench {

std::unique_ptr<Peer> libtorch_peer(int threads);

/// Ours: a convolution of blocked tensors by the kernel that takes the shape. `dtype` is "strict", "f32", "bf16" or
/// "int8"; "block" is f32 that applies an affine map and LeakyReLU to what it reads and sums its statistics. Null where
/// there is no kernel of that type but the reference.
std::unique_ptr<Contestant> our_convolution(const kernels::ConvShape& shape, const Task& task, const std::string& dtype,
                                            int threads);

/// Ours: a network. Null where this processor has no instructions for the type.
std::unique_ptr<Contestant> our_network(const Task& task, const std::string& dtype, int threads);

}  // namespace oncotome::bench
