// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "oncotome/engine/backend.h"
#include "oncotome/engine/model_package.h"

namespace oncotome::engine {

/// Grad-CAM (doi 10.1109/ICCV.2017.74), [1,1,D,H,W] on the grid of the node that was differentiated by: the sum over
/// its channels of their values, each times the mean over voxels of the derivative of the class's logit, the k-th of
/// node `logits`; what lies below zero is zero.
Tensor grad_cam(const Derivative& derivative, int from, int logits, std::size_t k);

/// The same from 0 to 1 on a grid of `size` over the same extent, as pytorch-grad-cam brings images there: stretched to
/// 0 and 1, resized, and stretched again. Linear between voxel centers, of volumes too.
Tensor heat_map(const Tensor& cam, const Dhw& size);

/// Shows what a model for images looks at; loads LibTorch. Immutable: may be shared.
class Explainer {
 public:
  struct Explanation {
    Tensor features;  ///< What the layer gives, [1,C,d,h,w].
    Tensor heat;      ///< Of the class, 0 to 1, [1,1,D,H,W] on the grid of the image.
  };

  /// Of a layer as find_layer() has it, or of the one before the head where `layer` is empty. Throws Error{usage} for a
  /// package without classes, and for a layer that is not there, has no places or is not what classes are made from;
  /// what read_package_weights and load_torch_backend throw.
  Explainer(const ModelPackage& package, const std::string& layer, Device device, int threads);

  const std::string& layer() const { return name_; }
  /// The weights of the first convolution, [C,Cin,kD,kH,kW].
  const Tensor& filters() const { return filters_; }

  /// Of an image [1,C,D,H,W] of any size, not mirrored; `k` is one of the package's classes. Throws
  /// Error{precondition_unmet, backend_failed, out_of_memory, cancelled}.
  Explanation explain(const Tensor& raw, std::size_t k, const Job& job) const;

 private:
  const ImageInference inference_;
  int layer_ = 0, logits_ = 0;
  std::string name_;
  Tensor filters_;
  std::shared_ptr<const Backend> backend_;
  std::unique_ptr<const Executable> network_;
};

}  // namespace oncotome::engine
