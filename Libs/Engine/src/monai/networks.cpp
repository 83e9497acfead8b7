// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/monai.h"
#include "oncotome/engine/weight_file.h"

namespace oncotome::engine::monai {
namespace {

class Builder {
 public:
  Builder(Weights& weights, int dimensions, const Norm& norm, const Activation& activation)
      : weights_(weights), flat_(dimensions == 2), norm_(norm), activation_(activation) {
    if (flat_)
      for (auto& [name, tensor] : weights_)
        if (tensor.shape.size() == 4) tensor.shape.insert(tensor.shape.begin() + 2, 1);
    add({});
  }

  int add(Node node) { return graph_.add(std::move(node)); }
  Graph take() { return std::move(graph_); }
  Dhw flattened(Dhw v) const { return {flat_ ? 1 : v[0], v[1], v[2]}; }

  int conv(const std::string& name, int x, const Dhw& kernel, const Dhw& stride, bool bias) {
    Node node{Op::conv, {x}, name + ".weight", bias ? name + ".bias" : ""};
    node.stride = stride;
    node.kernel = kernel;
    for (std::size_t a = 0; a < 3; ++a) node.pad_before[a] = node.pad_after[a] = (kernel[a] - 1) / 2;
    return add(node);
  }

  // PyTorch's padding is taken off both ends, its output_padding put back at the end.
  int conv_transpose(const std::string& name, int x, const Dhw& stride, const Dhw& padding, const Dhw& output_padding,
                     bool bias) {
    Node node{Op::conv_transpose, {x}, name + ".weight", bias ? name + ".bias" : ""};
    node.stride = stride;
    node.pad_before = padding;
    for (std::size_t a = 0; a < 3; ++a) {
      node.pad_after[a] = padding[a] - output_padding[a];
      if (node.pad_after[a] < 0)
        throw Error(ErrorCode::model_unsupported, "a transposed convolution's stride is greater than its kernel");
    }
    return add(node);
  }

  int norm(const std::string& name, int x) {
    const std::string weight = name + ".weight", bias = name + ".bias";
    switch (norm_.kind) {
      case Norm::Kind::batch:
        fold_statistics(weight, 1e-5, weights_);
        return add({Op::affine, {x}, weight, bias});
      case Norm::Kind::instance:
        return norm_.affine ? add({Op::instance_norm, {x}, weight, bias}) : add({Op::instance_norm, {x}});
      case Norm::Kind::group: {
        Node node{Op::group_norm, {x}, weight, bias};
        node.groups = norm_.groups;
        return add(node);
      }
    }
    return x;
  }

  int activate(const std::string& name, int x, std::int64_t channels) {
    Node node{activation_.op, {x}};
    node.slope = activation_.slope;
    if (activation_.op == Op::prelu) {
      node.weight = name + ".weight";
      Tensor& slope = find(node.weight);
      if (slope.shape == std::vector<std::int64_t>{1}) slope = Tensor({channels}, slope.values[0]);
    }
    return add(node);
  }

  std::int64_t outputs(const std::string& conv, std::size_t axis = 0) {
    const Tensor& w = find(conv + ".weight");
    if (w.shape.size() != 5) throw Error(ErrorCode::weights_invalid, "'" + conv + ".weight' is no convolution's");
    return w.shape[axis];
  }

 private:
  Tensor& find(const std::string& name) {
    const auto found = weights_.find(name);
    if (found == weights_.end()) throw Error(ErrorCode::weights_invalid, "the weights lack '" + name + "'");
    return found->second;
  }

  Weights& weights_;
  const bool flat_;
  const Norm norm_;
  const Activation activation_;
  Graph graph_;
};

constexpr Dhw kOne{1, 1, 1};

class UNetBuilder {
 public:
  UNetBuilder(const Network& network, const UNet& config, Weights& weights)
      : config_(config),
        out_(network.out_channels),
        in_(network.in_channels),
        b_(weights, config.dimensions, config.norm, config.activation) {}

  Graph build() {
    level("model", 0, in_, out_, 0);
    return b_.take();
  }

 private:
  int level(const std::string& name, int x, std::int64_t in, std::int64_t out, std::size_t i) {
    const Dhw& stride = config_.strides[i];
    const std::int64_t c = config_.channels[i];
    const std::string below = name + ".1.submodule";
    const bool last = i + 2 == config_.channels.size();
    x = down(name + ".0", x, in, c, stride);
    const int y = last ? down(below, x, c, config_.channels[i + 1], kOne) : level(below, x, c, c, i + 1);
    return up(name + ".2", b_.add({Op::concat, {x, y}}), out, stride, i == 0);
  }

  int down(const std::string& name, int x, std::int64_t in, std::int64_t out, const Dhw& stride) {
    return config_.residual_units > 0 ? residual(name, x, in, out, stride, config_.residual_units, false)
                                      : unit(name, x, stride, false);
  }

  int unit(const std::string& name, int x, const Dhw& stride, bool plain) {
    return finish(name, b_.conv(name + ".conv", x, config_.kernel, stride, config_.bias), b_.outputs(name + ".conv"),
                  plain);
  }

  int finish(const std::string& name, int x, std::int64_t channels, bool plain) {
    if (plain) return x;
    return b_.activate(name + ".adn.A", b_.norm(name + ".adn.N", x), channels);
  }

  int residual(const std::string& name, int x, std::int64_t in, std::int64_t out, const Dhw& stride, int units,
               bool plain_end) {
    int y = x;
    for (int u = 0; u < units; ++u)
      y = unit(name + ".conv.unit" + std::to_string(u), y, u == 0 ? stride : kOne, plain_end && u == units - 1);
    if (stride != kOne)
      x = b_.conv(name + ".residual", x, config_.kernel, stride, config_.bias);
    else if (in != out)
      x = b_.conv(name + ".residual", x, kOne, kOne, config_.bias);
    return b_.add({Op::add, {y, x}});
  }

  int up(const std::string& name, int x, std::int64_t out, const Dhw& stride, bool top) {
    const bool plain = top && config_.residual_units == 0;
    const std::string conv = config_.residual_units > 0 ? name + ".0" : name;
    Dhw padding, output_padding;
    for (std::size_t a = 0; a < 3; ++a) {
      padding[a] = (config_.up_kernel[a] - 1) / 2;
      output_padding[a] = stride[a] - 1;
    }
    x = b_.conv_transpose(conv + ".conv", x, stride, padding, output_padding, config_.bias);
    x = finish(conv, x, b_.outputs(conv + ".conv", 1), plain);
    return config_.residual_units > 0 ? residual(name + ".1", x, out, out, kOne, 1, top) : x;
  }

  const UNet& config_;
  const std::int64_t out_, in_;
  Builder b_;
};

Graph build(const Network& network, const UNet& config, Weights& weights) {
  return UNetBuilder(network, config, weights).build();
}

Graph build(const Network&, const SegResNet& config, Weights& weights) {
  Builder b(weights, config.dimensions, config.norm, config.activation);
  const Dhw three = b.flattened({3, 3, 3}), two = b.flattened({2, 2, 2});
  const auto half = [&](const std::string& name, const char* i, int x, std::int64_t channels) {
    x = b.activate(name + ".act", b.norm(name + ".norm" + i, x), channels);
    return b.conv(name + ".conv" + i + ".conv", x, three, kOne, false);
  };
  const auto block = [&](const std::string& name, int x, std::int64_t channels) {
    return b.add({Op::add, {half(name, "2", half(name, "1", x, channels), channels), x}});
  };
  int x = b.conv("convInit.conv", 0, three, kOne, false);
  std::vector<int> skips;
  std::int64_t channels = config.filters;
  for (std::size_t i = 0; i < config.blocks_down.size(); ++i) {
    const std::string name = "down_layers." + std::to_string(i) + ".";
    if (i > 0) {
      channels *= 2;
      x = b.conv(name + "0.conv", x, three, two, false);
    }
    for (int k = 1; k <= config.blocks_down[i]; ++k) x = block(name + std::to_string(k), x, channels);
    skips.push_back(x);
  }
  for (std::size_t i = 0; i < config.blocks_up.size(); ++i) {
    channels /= 2;
    x = b.conv("up_samples." + std::to_string(i) + ".0.conv", x, kOne, kOne, false);
    Node upsample{Op::upsample, {x}};
    upsample.stride = two;
    x = b.add(upsample);
    x = b.add({Op::add, {x, skips[skips.size() - 2 - i]}});
    const std::string name = "up_layers." + std::to_string(i) + ".";
    for (int k = 0; k < config.blocks_up[i]; ++k) x = block(name + std::to_string(k), x, channels);
  }
  x = b.activate("conv_final.1", b.norm("conv_final.0", x), channels);
  b.conv("conv_final.2.conv", x, kOne, kOne, true);
  return b.take();
}

Graph build(const Network&, const DynUNet& config, Weights& weights) {
  Builder b(weights, config.dimensions, config.norm, config.activation);
  const auto half = [&](const std::string& name, const char* i, int x, const Dhw& kernel, const Dhw& stride) {
    return b.norm(name + ".norm" + i, b.conv(name + ".conv" + i + ".conv", x, kernel, stride, false));
  };
  const auto block = [&](const std::string& name, int x, const Dhw& kernel, const Dhw& stride, bool residual) {
    const std::int64_t channels = b.outputs(name + ".conv1.conv");
    int y = b.activate(name + ".lrelu", half(name, "1", x, kernel, stride), channels);
    y = half(name, "2", y, kernel, kOne);
    if (residual) {
      if (weights.count(name + ".conv3.conv.weight") > 0) x = half(name, "3", x, kOne, stride);
      y = b.add({Op::add, {y, x}});
    }
    return b.activate(name + ".lrelu", y, channels);
  };
  const std::size_t stages = config.strides.size();
  std::vector<int> skips;
  int x = 0;
  for (std::size_t i = 0; i < stages; ++i) {
    const std::string name = i == 0            ? "input_block"
                             : i + 1 == stages ? "bottleneck"
                                               : "downsamples." + std::to_string(i - 1);
    x = block(name, x, config.kernels[i], config.strides[i], config.residual);
    skips.push_back(x);
  }
  for (std::size_t i = 0; i + 1 < stages; ++i) {
    const std::string name = "upsamples." + std::to_string(i);
    const Dhw& up = config.up_kernels[stages - 2 - i];
    x = b.conv_transpose(name + ".transp_conv.conv", x, up, {0, 0, 0}, {0, 0, 0}, config.up_bias);
    x = b.add({Op::concat, {x, skips[stages - 2 - i]}});
    x = block(name + ".conv_block", x, config.kernels[stages - 1 - i], kOne, false);
  }
  b.conv("output_block.conv.conv", x, kOne, kOne, true);
  return b.take();
}

Graph build(const Network&, const Script&, Weights&) {
  throw Error(ErrorCode::internal, "a TorchScript module has no graph");
}

}  // namespace

Weights read_weights(const std::string& path) {
  const auto file = WeightFile::open(path);
  const auto contents = file->contents();
  for (const char* key : {"model", "state_dict"})
    if (contents.contains(key) && contents.at(key).is_object()) return file->read_all(key);
  return file->read_all("");
}

Graph build_network(const Network& network, Weights& weights) {
  Graph graph = std::visit([&](const auto& config) { return build(network, config, weights); }, network.architecture);
  check_weights(graph, weights, network.in_channels);
  return graph;
}

}  // namespace oncotome::engine::monai
