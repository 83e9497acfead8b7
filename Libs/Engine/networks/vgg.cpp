// SPDX-License-Identifier: Apache-2.0
#include "layers.h"

namespace oncotome::engine::networks {
namespace {

// arXiv:1409.1556, configurations D and E.
Graph build(const NetworkConfig& config) {
  const bool normalizes = config.architecture.find("_bn") != std::string::npos;
  const int deep = config.architecture.rfind("vgg19", 0) == 0 ? 4 : 3;
  const std::pair<std::int64_t, int> stages[] = {{64, 2}, {128, 2}, {256, deep}, {512, deep}, {512, deep}};
  Layers net(config);
  int x = Layers::kInput, layer = 0;
  const auto name = [&] { return "features." + std::to_string(layer++); };
  for (const auto& [channels, convolutions] : stages) {
    for (int i = 0; i < convolutions; ++i) {
      x = net.conv(name(), x, channels, {3, 1, 1}, true);
      if (normalizes) x = net.norm(name(), x);
      x = net.relu(x);
      ++layer;
    }
    x = net.max_pool(x, {2, 2});
    ++layer;
  }
  const Dhw extent{1, 7, 7};
  x = net.linear("classifier.0", net.mean(x, extent), 4096, extent);
  x = net.linear("classifier.3", net.dropout(net.relu(x)), 4096);
  net.linear("classifier.6", net.dropout(net.relu(x)), config.classes);
  return net.take();
}

}  // namespace

Family vgg() { return {{"vgg16", "vgg16_bn", "vgg19", "vgg19_bn"}, false, false, build}; }

}  // namespace oncotome::engine::networks
