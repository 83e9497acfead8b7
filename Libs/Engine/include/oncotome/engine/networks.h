// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "oncotome/engine/graph.h"
#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

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
