// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oncotome/engine/graph.h"

namespace oncotome::engine {

/// To one channel, of a square kernel within slices, whose output is as large as its input where the stride is 1.
inline Node conv(int input, const std::string& name, std::int64_t kernel, std::int64_t stride = 1) {
  Node node{Op::conv, {input}, name + ".weight"};
  node.kernel = {1, kernel, kernel};
  node.stride = {1, stride, stride};
  node.pad_before = node.pad_after = {0, kernel / 2, kernel / 2};
  node.channels = 1;
  return node;
}

}  // namespace oncotome::engine
