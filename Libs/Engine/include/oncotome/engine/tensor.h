// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace oncotome::engine {

/// A dense float32 array that owns its values, last axis fastest. Activations are [N,C,D,H,W].
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;

  Tensor() = default;
  explicit Tensor(std::vector<std::int64_t> s, float value = 0.0F) : shape(std::move(s)), values(count(shape), value) {}

  static std::size_t count(const std::vector<std::int64_t>& shape) {
    return static_cast<std::size_t>(
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<std::int64_t>()));
  }
};

/// Named parameters of a network.
using Weights = std::map<std::string, Tensor>;

}  // namespace oncotome::engine
