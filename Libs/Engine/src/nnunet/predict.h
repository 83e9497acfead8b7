// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "case.h"
#include "oncotome/engine/backend.h"

namespace oncotome::engine::nnunet {

/// How tiles are summed: as halves, bit for bit nnU-Net's, or as floats.
enum class Accumulators { reference, float32 };

struct Prediction {
  std::vector<const Executable*> folds;  ///< Their logits are averaged.
  std::vector<int> mirror_axes;          ///< Of the patch's axes 0 = D, 1 = H, 2 = W; empty: no mirroring.
  double step = 0.5;                     ///< Of the patch.
  bool gaussian = true;                  ///< Importance falls from the patch's center; else all voxels count alike.
  Accumulators accumulators = Accumulators::reference;
};

/// Labels of the whole image, array order after transpose_forward, zero outside the crop. Into `probabilities`, unless
/// it is null, softmax (regions: sigmoid) of each output channel there, [K][voxels]; the labels come from these then,
/// as in nnU-Net. Holds logits of one patch's depth, not of the volume. Throws Error{result_not_finite, cancelled,
/// backend_failed, out_of_memory}.
std::vector<std::uint8_t> predict_labels(const Prediction& prediction, const Plans& plans,
                                         const Configuration& configuration, const Case& input, const Job& job,
                                         std::vector<float>* probabilities = nullptr);

}  // namespace oncotome::engine::nnunet
