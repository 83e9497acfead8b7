// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "oncotome/core/geometry.h"
#include "oncotome/engine/graph.h"

/// What a MONAI bundle (arXiv:2211.02701) asks for. Triples are in the order of its arrays, which is the image's index
/// order x, y, z; the last varies fastest there, so x is the network's D.
namespace oncotome::engine::monai {

/// InstanceNorm, BatchNorm with stored statistics, GroupNorm.
struct Norm {
  enum class Kind { instance, batch, group } kind = Kind::instance;
  bool affine = false;  ///< Of instance normalization.
  std::int64_t groups = 1;
};

/// Op::prelu, relu, leaky_relu, elu or gelu.
struct Activation {
  Op op = Op::relu;
  double slope = 0.01;
};

/// monai.networks.nets.UNet: residual units down and up, skips concatenated before what comes from below.
struct UNet {
  int dimensions = 3;
  std::vector<std::int64_t> channels;
  std::vector<Dhw> strides;
  Dhw kernel{3, 3, 3}, up_kernel{3, 3, 3};
  int residual_units = 0;
  Activation activation{Op::prelu};
  Norm norm;
  bool bias = true;
};

/// monai.networks.nets.SegResNet (arXiv:1810.11654), without its autoencoder.
struct SegResNet {
  int dimensions = 3;
  std::int64_t filters = 8;
  Activation activation{Op::relu};
  Norm norm{Norm::Kind::group, true, 8};
  std::vector<int> blocks_down{1, 2, 2, 4}, blocks_up{1, 1, 1};
};

/// monai.networks.nets.DynUNet.
struct DynUNet {
  int dimensions = 3;
  std::vector<Dhw> kernels, strides, up_kernels;
  bool residual = false, up_bias = false;
  Activation activation{Op::leaky_relu};
  Norm norm{Norm::Kind::instance, true, 1};
};

/// A TorchScript module instead of a graph.
struct Script {};

struct Network {
  std::int64_t in_channels = 1, out_channels = 2;
  std::variant<UNet, SegResNet, DynUNet, Script> architecture;
};

/// The graph of a network, with the names of MONAI's state dict; `weights` are fitted to it: 2-D ones get a depth axis,
/// BatchNorm becomes a product and a sum, a shared PReLU weight becomes one per channel.
/// Throws Error{model_invalid, weights_invalid}.
Graph build_network(const Network& network, Weights& weights);

/// The state dict of a checkpoint, which may lie under "model" or "state_dict".
Weights read_weights(const std::string& path);

/// How an array goes on beyond its edge.
enum class Edge { constant, replicate, reflect, circular };

struct Orient {
  std::string codes;  ///< Three of R L A P S I.
};
/// Spacingd; a spacing <= 0 stays. Beyond the edge the outermost voxels go on, or zeros.
struct Respace {
  Vec3 spacing_mm;
  bool nearest = false, zeros_outside = false, align_corners = false;
};
struct ScaleRange {
  double a_min = 0, a_max = 1;
  std::optional<double> b_min, b_max;
  bool clip = false;
};
struct ScaleToRange {
  std::optional<double> low = 0.0, high = 1.0;
  double factor = 0;  ///< Where neither is given: times 1 + factor.
  bool channel_wise = false;
};
struct Normalize {
  std::vector<double> subtrahend, divisor;  ///< Empty: the mean, the deviation.
  bool nonzero = false, channel_wise = false;
};
struct ScalePercentiles {
  double lower = 0, upper = 100;
  std::optional<double> b_min, b_max;
  bool clip = false, relative = false, channel_wise = false;
};
/// To the box of what is above zero in any channel.
struct CropForeground {
  Dhw margin{0, 0, 0}, divisor{1, 1, 1};
  bool within = false;  ///< The margin ends at the image.
  Edge edge = Edge::constant;
};
/// To at least a size, or to multiples of it.
struct PadTo {
  Dhw size{1, 1, 1};
  bool multiples = false, at_end = false;
  Edge edge = Edge::constant;
  double value = 0;
};
using Transform =
    std::variant<Orient, Respace, ScaleRange, ScaleToRange, Normalize, ScalePercentiles, CropForeground, PadTo>;

/// SlidingWindowInferer; SliceInferer with a `slice_axis`; SimpleInferer, which takes all at once.
struct Window {
  Dhw roi{0, 0, 0};  ///< 0: the image's extent.
  Vec3 overlap{0.25, 0.25, 0.25};
  bool gaussian = false;
  Vec3 sigma_scale{0.125, 0.125, 0.125};
  Edge edge = Edge::constant;
  double value = 0;
  std::optional<std::size_t> slice_axis;
};

enum class Activate { softmax, sigmoid };
/// Back to the image's grid.
struct Invert {
  bool nearest = true;
};
/// argmax, or >= threshold; then labels are whole numbers.
struct Discrete {
  std::optional<double> threshold;
};
/// The first channel that is set decides the label; where none is, it is 0.
struct Choose {
  std::vector<std::pair<std::size_t, std::uint8_t>> cases;
};
struct KeepLargest {
  std::vector<std::uint8_t> labels;  ///< Empty: each.
  bool independent = true;
  int connectivity = 3, components = 1;
};
using Finish = std::variant<Activate, Invert, Discrete, Choose, KeepLargest>;

}  // namespace oncotome::engine::monai

namespace oncotome::engine {

struct MonaiInference {
  monai::Network network;
  std::string summary;  ///< Names of the preparation's transforms.
  std::vector<monai::Transform> preparation;
  monai::Window window;
  std::vector<monai::Finish> finish;
};

}  // namespace oncotome::engine
