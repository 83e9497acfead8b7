// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace oncotome::engine {

/// exp(logit / temperature), normalized.
std::vector<double> softmax(const std::vector<double>& logits, double temperature = 1);

/// In nats.
double entropy(const std::vector<double>& probabilities);

/// At each voxel of sums of probabilities [K][voxels], which are divided by their sum over K.
std::vector<float> label_entropies(const std::vector<float>& sums, std::size_t voxels);

/// -log of the sum of exp(logit) (arXiv:2010.03759): higher for what a network does not know.
double energy(const std::vector<double>& logits);

/// The temperature, 0.05 to 20, at which the truth is most likely (arXiv:1706.04599); `logits` of each image, `truth`
/// its class. Throws Error{usage} when there are none or their numbers differ.
double fit_temperature(const std::vector<std::vector<double>>& logits, const std::vector<std::size_t>& truth);

/// Images whose greatest probability lies above `low`, up to `high`.
struct ReliabilityBin {
  double low = 0, high = 0;
  std::size_t count = 0;
  double confidence = 0, accuracy = 0;  ///< Means over them; 0 of none.
};

/// What a reliability diagram shows (arXiv:1706.04599).
struct Reliability {
  std::vector<ReliabilityBin> bins;  ///< Of equal width.
  double expected_error = 0;         ///< ECE: mean over images of |accuracy - confidence| of their bin.
  double maximum_error = 0;          ///< The greatest of these.
};

/// Of images' greatest probabilities, whether these were of the true class, and how often each image counts.
Reliability reliability(const std::vector<double>& confidences, const std::vector<bool>& right,
                        const std::vector<double>& weights, std::size_t bins = 15);

/// Each image once. Throws Error{usage} as fit_temperature().
Reliability reliability(const std::vector<std::vector<double>>& probabilities, const std::vector<std::size_t>& truth,
                        std::size_t bins = 15);

}  // namespace oncotome::engine
