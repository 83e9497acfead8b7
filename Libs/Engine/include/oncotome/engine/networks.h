// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/engine/graph.h"
#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

/// A network by its name in the literature. Outputs: logits of each voxel [N,labels,D,H,W] where there are labels, then
/// of the image [N,classes,1,1,1] where there are classes.
struct NetworkConfig {
  std::string architecture;  ///< One of network_names().
  int dimensions = 2;        ///< 2 or 3; kernels and strides of 3-D networks are cubes.
  std::int64_t in_channels = 3;
  std::int64_t classes = 0;
  std::int64_t labels = 0;  ///< Background too.
  Dhw input_size{1, 224, 224};
  std::vector<std::int64_t> features{};  ///< Of the stages of a U-Net, full resolution first.
  /// Between the two, logits of the lower stages of a U-Net's way up too; for training alone (arXiv:1409.5185).
  bool deep_supervision = false;
  /// The class is read from the lesion too: from the way up at a quarter of the extent, averaged where the labels are
  /// not the background.
  bool lesion_pooling = false;
};

/// What the names of those heads' weights begin with.
constexpr const char* kDeepHeads = "deep.";

/// In alphabetical order.
std::vector<std::string> network_names();

/// As it is trained: with dropouts and batch norms whose statistics are stored. Nodes' weights have torchvision's
/// names. A fully connected layer is a convolution of the extent that it reads. Throws Error{model_unsupported,
/// model_invalid}.
Graph build_network(const NetworkConfig& config);

/// Gives the tensors of a PyTorch state dict the shapes that the graph has, and takes out counters of batches. Throws
/// Error{weights_invalid} that names what is absent, does not fit or belongs to no layer.
void fit_network_weights(const NetworkConfig& config, Weights& weights);

/// To begin training with, the same bits on every machine: He's variance (arXiv:1502.01852), evenly distributed, less
/// for what gives logits; batch norms that change nothing. Throws as build_network().
Weights initial_weights(const NetworkConfig& config, std::uint64_t seed);

/// A plain U-Net (doi 10.1007/978-3-319-24574-4_28, 10.1007/978-3-319-46723-8_49) with strided convolutions down,
/// transposed ones up, instance normalization and LeakyReLU 0.01.
struct UNetConfig {
  int dimensions = 3;  ///< 2 or 3.
  std::int64_t in_channels = 1;
  std::int64_t out_channels = 2;
  std::vector<std::int64_t> features;  ///< Per stage, full resolution first.
  int convs_per_stage = 2;
};

/// [N,C,D,H,W] to logits [N,K,D,H,W]; D,H,W (2-D: H,W) must be multiples of unet_divisor().
Graph build_unet(const UNetConfig& config);
Dhw unet_divisor(const UNetConfig& config);
/// Gives 2-D weights their depth axis; throws Error{weights_invalid} when names or shapes do not fit the configuration.
void fit_unet_weights(const UNetConfig& config, Weights& weights);

/// nnU-Net's PlainConvUNet and ResidualEncoderUNet (dynamic-network-architectures): strided convolutions down,
/// transposed ones up, skips concatenated after the upsampled channels.
struct ConvUNetConfig {
  int dimensions = 3;  ///< 2 or 3; 2-D kernels and strides are {1,H,W}.
  std::int64_t in_channels = 1;
  std::int64_t out_channels = 2;
  bool residual_encoder = false;
  std::vector<std::int64_t> features;  ///< Per stage, full resolution first.
  std::vector<Dhw> kernel_sizes, strides;
  std::vector<int> encoder_convs;  ///< Convolutions (residual: blocks) per stage.
  std::vector<int> decoder_convs;  ///< Per stage but the deepest, the deepest decoder stage first.
  std::int64_t stem_channels = 0;  ///< Of a residual encoder.
  bool conv_bias = true;
  bool batch_norm = false;  ///< With stored statistics, instead of instance normalization.
  double epsilon = 1e-5;
  double leaky_slope = 0.01;
  bool activation_first = false;  ///< Before the normalization.
};

/// [N,C,D,H,W] to logits [N,K,D,H,W]; node weights have the names of nnU-Net's state dict. Throws Error{model_invalid}.
Graph build_conv_unet(const ConvUNetConfig& config);
/// Gives 2-D weights their depth axis and batch normalization its affine form; throws Error{weights_invalid}.
void fit_conv_unet_weights(const ConvUNetConfig& config, Weights& weights);

/// MeshNet (arXiv:1612.00940): dilated 3x3x3 convolutions that keep the grid, each with an activation, and a 1x1x1
/// head.
struct MeshNetConfig {
  std::int64_t in_channels = 1;
  std::int64_t channels = 15;
  std::int64_t out_channels = 2;
  std::vector<std::int64_t> dilations;  ///< Of each layer but the head.
  Op activation = Op::elu;              ///< relu, elu or gelu.
  bool instance_norm = false;  ///< After each convolution, without weights; the convolutions have no bias then.
};

/// [N,C,D,H,W] to logits [N,K,D,H,W]; weights are "layer.<i>.weight|bias" and "head.weight|bias". Throws
/// Error{model_invalid}.
Graph build_meshnet(const MeshNetConfig& config);
/// Checks the weights, and widens both with channels of zeros where that is faster; throws Error{weights_invalid}.
void fit_meshnet_weights(MeshNetConfig& config, Weights& weights);

/// The anisotropic network of Wang et al. (arXiv:1709.00382): [N,4,D,H,W] to softmax [N,2,D-8,H,W]; H,W multiples of 4
/// (2 without `second_downsampling`).
Graph build_msnet(bool second_downsampling);
/// Turns weights in TensorFlow's layout into the graph's; throws Error{weights_invalid}. Returns whether the net
/// downsamples twice (whole tumor, tumor core) or once (enhancing).
bool convert_msnet_weights(Weights& weights);

}  // namespace oncotome::engine
