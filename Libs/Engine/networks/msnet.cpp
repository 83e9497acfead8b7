// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/error.h"
#include "oncotome/engine/networks.h"

namespace oncotome::engine {
namespace {

class Builder {
 public:
  Graph build(bool second_downsampling) {
    const bool twice = second_downsampling;
    int x = graph_.add({});
    x = block("block1_1", x, 1, true);
    x = block("block1_2", x, 1);
    x = fuse("fuse1", x);
    if (twice) x = down("downsample1", x);
    x = block("block2_1", x, 1);
    x = block("block2_2", x, 1);
    const int f1 = x = fuse("fuse2", x);
    x = down("downsample2", x);
    x = block("block3_1", x, 1);
    x = block("block3_2", x, 2);
    x = block("block3_3", x, 3);
    const int f2 = x = fuse("fuse3", x);
    x = block("block4_1", x, 3);
    x = block("block4_2", x, 2);
    x = block("block4_3", x, 1);
    const int f3 = fuse("fuse4", x);

    int p1 = crop(f1, 2);
    p1 = twice ? up("pred_up1", p1) : graph_.add(planar("pred1.w", p1, 1));
    int p2 = up("pred_up2_1", crop(f2, 1));
    if (twice) p2 = up("pred_up2_2", p2);
    int p3 = up("pred_up3_1", f3);
    if (twice) p3 = up("pred_up3_2", p3);
    x = graph_.add({Op::concat, {p1, p2, p3}});
    x = graph_.add(planar("final_pred.w", x, 1));
    graph_.add({Op::softmax, {x}});
    return std::move(graph_);
  }

 private:
  // The checkpoints' moving averages were never updated: the authors normalize with the statistics of the batch at
  // hand.
  int norm_prelu(const std::string& norm, const std::string& activation, int x) {
    x = graph_.add({Op::batch_norm, {x}, norm + ".gamma", norm + ".beta"});
    return graph_.add({Op::prelu, {x}, activation + ".alpha"});
  }

  static Node planar(const std::string& weight, int x, std::int64_t dilation) {
    Node conv{Op::conv, {x}, weight};
    conv.kernel = {1, 3, 3};
    conv.dilation = {1, dilation, dilation};
    conv.pad_before = conv.pad_after = {0, dilation, dilation};
    return conv;
  }

  int block(const std::string& name, int x, std::int64_t dilation, bool widen = false) {
    int shortcut = x;
    if (widen) {
      Node pad{Op::pad_channels, {x}};
      pad.pad_before[0] = pad.pad_after[0] = 14;
      shortcut = graph_.add(pad);
    }
    for (const char* i : {"0", "1"}) {
      x = norm_prelu(name + ".bn_" + i, name + ".prelu_acti_" + i, x);
      x = graph_.add(planar(name + ".conv_" + i + ".w", x, dilation));
    }
    return graph_.add({Op::add, {x, shortcut}});
  }

  int fuse(const std::string& stem, int x) {
    const std::string name = stem + "_bn_prelu";
    Node conv{Op::conv, {x}, name + ".conv_.w"};
    conv.kernel = {3, 1, 1};
    x = graph_.add(conv);
    return norm_prelu(name + ".bn_", name + ".prelu_acti_", x);
  }

  int down(const std::string& stem, int x) {
    const std::string name = stem + "_bn_prelu";
    Node conv{Op::conv, {x}, name + ".conv_.w"};
    conv.stride = {1, 2, 2};
    conv.pad_after = {0, 1, 1};
    conv.kernel = {1, 3, 3};
    x = graph_.add(conv);
    return norm_prelu(name + ".bn_", name + ".prelu_acti_", x);
  }

  int up(const std::string& stem, int x) {
    const std::string name = stem + "_bn_prelu";
    Node conv{Op::conv_transpose, {x}, name + ".deconv_.w"};
    conv.stride = {1, 2, 2};
    conv.pad_after = {0, 1, 1};
    conv.kernel = {1, 3, 3};
    x = graph_.add(conv);
    return norm_prelu(name + ".bn_", name + ".prelu_acti_", x);
  }

  int crop(int x, std::int64_t slices) {
    Node node{Op::crop_depth, {x}};
    node.pad_before[0] = node.pad_after[0] = slices;
    return graph_.add(node);
  }

  Graph graph_;
};

// [kD,kH,kW,A,B] to [B,A,kD,kH,kW]: TensorFlow's (in, out) and (out, in) both become LibTorch's order this way.
Tensor channels_first(const Tensor& w) {
  const std::int64_t taps = w.shape[0] * w.shape[1] * w.shape[2], a = w.shape[3], b = w.shape[4];
  Tensor out({b, a, w.shape[0], w.shape[1], w.shape[2]});
  for (std::int64_t t = 0; t < taps; ++t)
    for (std::int64_t i = 0; i < a; ++i)
      for (std::int64_t j = 0; j < b; ++j)
        out.values[static_cast<std::size_t>((j * a + i) * taps + t)] =
            w.values[static_cast<std::size_t>((t * a + i) * b + j)];
  return out;
}

}  // namespace

Graph build_msnet(bool second_downsampling) { return Builder().build(second_downsampling); }

bool convert_msnet_weights(Weights& weights) {
  const bool twice = weights.count("downsample1_bn_prelu.conv_.w") > 0;
  Weights converted;
  for (const Node& node : build_msnet(twice).nodes)
    for (const std::string& name : {node.weight, node.bias}) {
      if (name.empty()) continue;
      const auto found = weights.find(name);
      if (found == weights.end()) throw Error(ErrorCode::weights_invalid, "the weights lack '" + name + "'");
      const bool is_kernel = node.op == Op::conv || node.op == Op::conv_transpose;
      if (found->second.shape.size() != (is_kernel ? 5u : 1u))
        throw Error(ErrorCode::weights_invalid, "'" + name + "' has the wrong number of axes");
      converted.emplace(name, is_kernel ? channels_first(found->second) : found->second);
    }
  weights = std::move(converted);
  return twice;
}

}  // namespace oncotome::engine
