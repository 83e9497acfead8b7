// SPDX-License-Identifier: Apache-2.0
#include "layers.h"

namespace oncotome::engine::networks {
namespace {

struct Depth {
  const char* name;
  bool has_bottlenecks;
  int blocks[4];
};

constexpr Depth kDepths[] = {{"resnet18", false, {2, 2, 2, 2}},
                             {"resnet34", false, {3, 4, 6, 3}},
                             {"resnet50", true, {3, 4, 6, 3}},
                             {"resnet101", true, {3, 4, 23, 3}},
                             {"resnet152", true, {3, 8, 36, 3}}};

// arXiv:1512.03385; of a bottleneck the 3x3 convolution has the stride, as in torchvision.
class Builder {
 public:
  Builder(const NetworkConfig& config, const Depth& depth) : net_(config), depth_(depth), classes_(config.classes) {}

  Graph build() {
    x_ = net_.relu(unit("conv1", "bn1", Layers::kInput, 64, {7, 2, 3}));
    x_ = net_.max_pool(x_, {3, 2, 1});
    for (int stage = 0; stage < 4; ++stage)
      for (int b = 0; b < depth_.blocks[stage]; ++b)
        block("layer" + std::to_string(stage + 1) + "." + std::to_string(b) + ".", std::int64_t{64} << stage,
              stage > 0 && b == 0 ? 2 : 1);
    net_.linear("fc", net_.mean(x_), classes_);
    return net_.take();
  }

 private:
  int unit(const std::string& conv, const std::string& norm, int x, std::int64_t channels,
           const Layers::Window& window) {
    return net_.norm(norm, net_.conv(conv, x, channels, window, false));
  }

  void block(const std::string& name, std::int64_t channels, std::int64_t stride) {
    const std::int64_t out = depth_.has_bottlenecks ? 4 * channels : channels;
    const bool projects = stride != 1 || channels_ != out;
    const int skip = projects ? unit(name + "downsample.0", name + "downsample.1", x_, out, {1, stride}) : x_;
    const Layers::Window strided{3, stride, 1}, plain{3, 1, 1}, point{};
    const auto layer = [&](int x, char i, std::int64_t c, const Layers::Window& window) {
      return unit(name + "conv" + i, name + "bn" + i, x, c, window);
    };
    int y = net_.relu(layer(x_, '1', channels, depth_.has_bottlenecks ? point : strided));
    y = layer(y, '2', channels, depth_.has_bottlenecks ? strided : plain);
    if (depth_.has_bottlenecks) y = layer(net_.relu(y), '3', out, point);
    x_ = net_.relu(net_.add(y, skip));
    channels_ = out;
  }

  Layers net_;
  const Depth& depth_;
  const std::int64_t classes_;
  int x_ = 0;
  std::int64_t channels_ = 64;
};

Graph build(const NetworkConfig& config) {
  const Depth* depth = kDepths;
  while (config.architecture != depth->name) ++depth;
  return Builder(config, *depth).build();
}

}  // namespace

Family resnet() {
  Family family{{}, true, false, build};
  for (const Depth& depth : kDepths) family.names.push_back(depth.name);
  return family;
}

}  // namespace oncotome::engine::networks
