// SPDX-License-Identifier: Apache-2.0
#include "layers.h"
#include "oncotome/core/error.h"

namespace oncotome::engine::networks {
namespace {

// A U-Net with a second head, of which either may be absent; without labels there is no way up.
class Builder {
 public:
  explicit Builder(const NetworkConfig& config) : config_(config), net_(config) {}

  Graph build() {
    std::vector<int> skips, outputs;
    int x = Layers::kInput, lesion = 0;
    for (std::size_t s = 0; s < config_.features.size(); ++s) {
      x = stage("encoder." + std::to_string(s), x, config_.features[s], s > 0 ? 2 : 1);
      skips.push_back(x);
    }
    if (config_.labels > 0) outputs = segmentation(skips, lesion);
    if (config_.classes > 0) {
      x = net_.mean(x);
      if (config_.lesion_pooling) {
        const int labels = net_.softmax(net_.thinned(outputs.front(), 4));
        x = net_.concat(x, net_.weighted_mean(lesion, labels));
      }
      outputs.push_back(net_.linear("fc", net_.dropout(x), config_.classes));
    }
    return net_.take(outputs);
  }

 private:
  int stage(const std::string& name, int x, std::int64_t channels, std::int64_t stride) {
    for (int j = 0; j < 2; ++j) {
      const std::string block = name + "." + std::to_string(j);
      x = net_.conv(block + ".conv", x, channels, {3, j == 0 ? stride : 1, 1}, false);
      x = net_.relu(net_.norm(block + ".norm", x));
    }
    return x;
  }

  // Full resolution first; of the lower stages all but the lowest, as nnU-Net has it. `quarter` is where the way up has
  // a quarter of the extent.
  std::vector<int> segmentation(const std::vector<int>& skips, int& quarter) {
    std::vector<int> outputs;
    int x = skips.back();
    for (std::size_t s = skips.size() - 1; s-- > 0;) {
      const std::string name = "decoder." + std::to_string(skips.size() - 2 - s);
      x = net_.concat(net_.up(name + ".up", x, config_.features[s]), skips[s]);
      x = stage(name, x, config_.features[s], 1);
      if (s == 2) quarter = x;
      if (config_.deep_supervision && s > 0 && s + 2 < skips.size())
        outputs.insert(outputs.begin(), net_.linear(kDeepHeads + std::to_string(s), x, config_.labels));
    }
    outputs.insert(outputs.begin(), net_.linear("head", x, config_.labels));
    return outputs;
  }

  const NetworkConfig& config_;
  Layers net_;
};

Graph build(const NetworkConfig& config) {
  bool sane = config.features.size() >= 2 && config.features.size() <= 8;
  for (const std::int64_t f : config.features) sane = sane && f >= 1 && f <= 4096;
  if (!sane) throw Error(ErrorCode::model_invalid, "a unet_classifier must have 2 to 8 stages of 1 to 4096 features");
  if ((config.deep_supervision || config.lesion_pooling) && config.features.size() < 4)
    throw Error(ErrorCode::model_invalid,
                "deep supervision and lesion pooling need a unet_classifier of 4 stages or more");
  return Builder(config).build();
}

}  // namespace

Family unet_classifier() { return {{"unet_classifier"}, true, true, build}; }

}  // namespace oncotome::engine::networks
