// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <set>

#include "oncotome/core/error.h"
#include "oncotome/engine/networks.h"

namespace oncotome::engine {
namespace {

std::string numbered(const std::string& stem, std::size_t i) { return stem + "." + std::to_string(i); }

class Builder {
 public:
  explicit Builder(const ConvUNetConfig& config) : config_(config) {}

  Graph build() {
    const std::size_t stages = config_.features.size();
    std::vector<int> skips;
    int x = graph_.add({});
    if (config_.residual_encoder)
      x = unit("encoder.stem.convs.0", x, config_.stem_channels, config_.kernel_sizes[0], kOne);
    std::int64_t channels = config_.stem_channels;
    for (std::size_t s = 0; s < stages; ++s) {
      const std::string name = numbered("encoder.stages", s);
      if (config_.residual_encoder)
        for (int b = 0; b < config_.encoder_convs[s]; ++b) {
          x = block(numbered(name + ".blocks", static_cast<std::size_t>(b)), x, channels, s, b == 0);
          channels = config_.features[s];
        }
      else
        x = units(name + ".0.convs", x, config_.encoder_convs[s], s, config_.strides[s]);
      skips.push_back(x);
    }
    for (std::size_t d = 0; d + 1 < stages; ++d) {
      const std::size_t s = stages - 2 - d;
      const std::string name = numbered("decoder.transpconvs", d);
      Node up{Op::conv_transpose, {x}, name + ".weight", config_.conv_bias ? name + ".bias" : ""};
      up.channels = config_.features[s];
      up.kernel = up.stride = config_.strides[s + 1];
      x = graph_.add(up);
      x = graph_.add({Op::concat, {x, skips[s]}});
      x = units(numbered("decoder.stages", d) + ".convs", x, config_.decoder_convs[d], s, kOne);
    }
    conv(numbered("decoder.seg_layers", stages - 2), x, config_.out_channels, kOne, kOne, true);
    return std::move(graph_);
  }

 private:
  static constexpr Dhw kOne{1, 1, 1};

  int conv(const std::string& name, int x, std::int64_t channels, const Dhw& kernel, const Dhw& stride, bool bias) {
    Node node{Op::conv, {x}, name + ".weight", bias ? name + ".bias" : ""};
    node.channels = channels;
    node.kernel = kernel;
    node.stride = stride;
    for (std::size_t a = 0; a < 3; ++a) node.pad_before[a] = node.pad_after[a] = (kernel[a] - 1) / 2;
    return graph_.add(node);
  }

  int norm(const std::string& name, int x) {
    Node node{config_.batch_norm ? Op::affine : Op::instance_norm, {x}, name + ".weight", name + ".bias"};
    node.epsilon = config_.epsilon;
    return graph_.add(node);
  }

  int activation(int x) {
    Node node{Op::leaky_relu, {x}};
    node.slope = config_.leaky_slope;
    return graph_.add(node);
  }

  int unit(const std::string& name, int x, std::int64_t channels, const Dhw& kernel, const Dhw& stride) {
    x = conv(name + ".conv", x, channels, kernel, stride, config_.conv_bias);
    if (config_.activation_first) return norm(name + ".norm", activation(x));
    return activation(norm(name + ".norm", x));
  }

  int units(const std::string& name, int x, int count, std::size_t stage, const Dhw& stride) {
    for (int i = 0; i < count; ++i)
      x = unit(numbered(name, static_cast<std::size_t>(i)), x, config_.features[stage], config_.kernel_sizes[stage],
               i == 0 ? stride : kOne);
    return x;
  }

  int block(const std::string& name, int x, std::int64_t in_channels, std::size_t stage, bool first) {
    const Dhw stride = first ? config_.strides[stage] : kOne, kernel = config_.kernel_sizes[stage];
    const std::int64_t channels = config_.features[stage];
    int skip = x;
    if (stride != kOne) {
      Node pool{Op::avg_pool, {skip}};
      pool.stride = stride;
      skip = graph_.add(pool);
    }
    if (in_channels != channels) {
      const std::string projection = name + (stride != kOne ? ".skip.1" : ".skip.0");
      skip = norm(projection + ".norm", conv(projection + ".conv", skip, channels, kOne, kOne, false));
    }
    x = unit(name + ".conv1", x, channels, kernel, stride);
    x = norm(name + ".conv2.norm", conv(name + ".conv2.conv", x, channels, kernel, kOne, config_.conv_bias));
    return activation(graph_.add({Op::add, {x, skip}}));
  }

  const ConvUNetConfig& config_;
  Graph graph_;
};

void check(const ConvUNetConfig& config) {
  const auto require = [](bool fine, const char* what) {
    if (!fine) throw Error(ErrorCode::model_invalid, std::string("this makes no U-Net: ") + what);
  };
  const auto within = [](std::int64_t v, std::int64_t most) { return v >= 1 && v <= most; };
  const std::size_t stages = config.features.size();
  require(config.dimensions == 2 || config.dimensions == 3, "the number of dimensions is not 2 or 3");
  require(stages >= 2 && stages <= 12, "it must have 2 to 12 stages");
  require(config.kernel_sizes.size() == stages && config.strides.size() == stages &&
              config.encoder_convs.size() == stages && config.decoder_convs.size() == stages - 1,
          "kernel sizes, strides, convolutions and features are not of the same number of stages");
  require(within(config.in_channels, 4096) && within(config.out_channels, 4096), "it must have 1 to 4096 channels");
  require(!config.residual_encoder || within(config.stem_channels, 4096), "its stem must have 1 to 4096 channels");
  require(config.strides[0] == Dhw{1, 1, 1}, "its first stage has a stride, so its output is not on the input's grid");
  for (std::int64_t f : config.features) require(within(f, 4096), "a stage must have 1 to 4096 features");
  for (int n : config.encoder_convs) require(within(n, 64), "a stage must have 1 to 64 convolutions");
  for (int n : config.decoder_convs) require(within(n, 64), "a stage must have 1 to 64 convolutions");
  for (std::size_t s = 0; s < stages; ++s)
    for (std::size_t a = 0; a < 3; ++a) {
      const bool flat = config.dimensions == 2 && a == 0;
      require(within(config.strides[s][a], flat ? 1 : 16), "a stride must be 1 to 16");
      require(within(config.kernel_sizes[s][a], flat ? 1 : 31) && config.kernel_sizes[s][a] % 2 == 1,
              "a kernel's size must be odd and 1 to 31");
    }
  require(config.epsilon > 0 && config.epsilon <= 1, "epsilon must be above 0, and 1 at most");
  require(std::abs(config.leaky_slope) <= 1, "the activation's slope must be -1 to 1");
  require(!(config.residual_encoder && config.activation_first), "a residual encoder activates after the norm");
}

// Each layer is known by up to four names: the decoder refers to the encoder, and each unit lists its layers anew.
std::string canonical_name(std::string name) {
  const auto strip = [&](const std::string& prefix) {
    if (name.compare(0, prefix.size(), prefix) != 0) return false;
    name.erase(0, prefix.size());
    return true;
  };
  while (strip("module.") || strip("_orig_mod.")) {
  }
  if (strip("decoder.encoder.")) name.insert(0, "encoder.");
  const std::string list = ".all_modules.";
  const std::size_t begin = name.find(list);
  if (begin == std::string::npos) return name;
  const std::size_t index = begin + list.size(), end = std::min(name.find('.', index), name.size());
  return name.replace(begin, end - begin, name.substr(index, end - index) == "0" ? ".conv" : ".norm");
}

void unify_names(Weights& weights) {
  Weights unified;
  for (auto& [name, tensor] : weights) {
    const auto [at, added] = unified.try_emplace(canonical_name(name), std::move(tensor));
    // try_emplace leaves the tensor where it was when the name is there.
    if (!added && (at->second.shape != tensor.shape || at->second.values != tensor.values))
      throw Error(ErrorCode::weights_invalid,
                  "'" + name + "' is '" + at->first + "' by another name, but holds other values");
  }
  weights = std::move(unified);
}

}  // namespace

Graph build_conv_unet(const ConvUNetConfig& config) {
  check(config);
  return Builder(config).build();
}

void fit_conv_unet_weights(const ConvUNetConfig& config, Weights& weights) {
  const Graph graph = build_conv_unet(config);
  unify_names(weights);
  std::set<std::string> known;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::affine) fold_statistics(node.weight, config.epsilon, weights);
    known.insert({node.weight, node.bias});
  }
  for (std::size_t d = 0; d + 2 < config.features.size(); ++d)
    for (const char* leaf : {".weight", ".bias"}) weights.erase(numbered("decoder.seg_layers", d) + leaf);
  for (auto& [name, tensor] : weights) {
    if (known.count(name) == 0)
      throw Error(ErrorCode::weights_invalid, "the weights hold '" + name + "', which this network does not have");
    if (config.dimensions == 2 && tensor.shape.size() == 4) tensor.shape.insert(tensor.shape.begin() + 2, 1);
  }
  check_weights(graph, weights, config.in_channels);
}

}  // namespace oncotome::engine
