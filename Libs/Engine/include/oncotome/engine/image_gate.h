// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

/// Tells images that are not of the kind a model was trained on, by two numbers: how far statistics of the prepared
/// image lie from those of the training images, and the energy of the logits (arXiv:2010.03759).
struct ImageGate {
  /// A normal distribution of the statistics; kinds of training images may have one each.
  struct Component {
    double weight = 1;
    std::vector<double> mean;
    std::vector<double> whitening;  ///< Rows of a lower triangle; the length of its product with (statistics - mean) is
                                    ///< the distance (Mahalanobis).
  };
  int statistics = 2;  ///< Which gate_features() they are of.
  std::vector<Component> components;
  double max_distance = 0;
  std::optional<double> max_energy;  ///< Of a model with classes.
  double quantile = 0;               ///< Of held-out images, that each of the two lets through.
};

struct GateScores {
  double distance = 0;
  std::optional<double> energy;
};

/// Statistics of a prepared image [1,C,D,H,W], version 2: of the mean over channels its mean, deviation, quantiles,
/// extremes, and the shares of values at these; strength of edges at three scales and of fine detail, quantiles of the
/// gradient and the share without one; correlation with itself shifted by 1, 2, 4 and 8 pixels and mirrored along W and
/// H; mean and deviation of the border. Of several channels also mean and deviation of each, and between them their
/// difference. All within slices; deviations, strengths and shares are logarithms. Version 1: of each channel mean,
/// deviation, quantiles, edges, detail and difference, and mean and deviation of 4 x 4 blocks of the slices.
std::vector<double> gate_features(const Tensor& prepared, int version = 2);

/// sqrt(-2 log(p(x) / p_0)) of the components' density p, where p_0 is the sum of their greatest densities: of one
/// component the distance of Mahalanobis. Throws Error{model_invalid} when there are not as many features as the gate
/// knows.
double gate_distance(const ImageGate& gate, const std::vector<double>& features);

/// Why the image is refused; empty when it is not.
std::string gate_refusal(const ImageGate& gate, const GateScores& scores);

/// A gate from gate_features() of training images, by expectation maximization of at most four components, as many as
/// there are images for, with thresholds such that of images like the held-out ones at most
/// 1 - quantile (such as 0.005) are refused by each: the ceil((n + 1) quantile)-th smallest of n, or the largest.
/// `energies` of the held-out images may be empty. Throws Error{usage} for fewer than two training images or none held
/// out.
ImageGate fit_gate(const std::vector<std::vector<double>>& training, const std::vector<std::vector<double>>& held_out,
                   const std::vector<double>& energies, double quantile);

/// As model.json has it under "gate".
nlohmann::json gate_json(const ImageGate& gate);

}  // namespace oncotome::engine
