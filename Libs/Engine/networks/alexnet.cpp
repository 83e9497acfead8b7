// SPDX-License-Identifier: Apache-2.0
#include "layers.h"

namespace oncotome::engine::networks {
namespace {

// arXiv:1404.5997, on one device.
Graph build(const NetworkConfig& config) {
  Layers net(config);
  const auto conv = [&](int layer, int x, std::int64_t channels, const Layers::Window& window) {
    return net.relu(net.conv("features." + std::to_string(layer), x, channels, window, true));
  };
  int x = net.max_pool(conv(0, Layers::kInput, 64, {11, 4, 2}), {3, 2});
  x = net.max_pool(conv(3, x, 192, {5, 1, 2}), {3, 2});
  x = conv(6, x, 384, {3, 1, 1});
  x = conv(8, x, 256, {3, 1, 1});
  x = net.max_pool(conv(10, x, 256, {3, 1, 1}), {3, 2});
  const Dhw extent{1, 6, 6};
  x = net.dropout(net.mean(x, extent));
  x = net.dropout(net.relu(net.linear("classifier.1", x, 4096, extent)));
  x = net.relu(net.linear("classifier.4", x, 4096));
  net.linear("classifier.6", x, config.classes);
  return net.take();
}

}  // namespace

Family alexnet() { return {{"alexnet"}, false, false, build}; }

}  // namespace oncotome::engine::networks
