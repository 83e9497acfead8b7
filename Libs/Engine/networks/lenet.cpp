// SPDX-License-Identifier: Apache-2.0
#include "layers.h"

namespace oncotome::engine::networks {
namespace {

// Of doi 10.1109/5.726791, with maxima and rectifiers, as it is taught today.
Graph build(const NetworkConfig& config) {
  Layers net(config);
  int x = net.max_pool(net.relu(net.conv("conv1", Layers::kInput, 6, {5}, true)), {2, 2});
  x = net.max_pool(net.relu(net.conv("conv2", x, 16, {5}, true)), {2, 2});
  x = net.relu(net.linear("fc1", x, 120, net.extent()));
  x = net.relu(net.linear("fc2", x, 84));
  net.linear("fc3", x, config.classes);
  return net.take();
}

}  // namespace

Family lenet() { return {{"lenet5"}, false, false, build}; }

}  // namespace oncotome::engine::networks
