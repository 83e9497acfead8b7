// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace oncotome::training {

/// What a network said of one image, and what is right.
struct Answer {
  std::vector<double> logits;                    ///< Of the classes; empty without a classification head.
  int label = -1;                                ///< -1: not known.
  std::vector<std::int64_t> truth, found, both;  ///< Voxels of each label but the background; empty without a mask.
  std::string group;                             ///< Images of one are drawn together.
};

using Answers = std::vector<const Answer*>;
using Interval = std::pair<double, double>;

/// 95 % of a share (Wilson, doi 10.1080/01621459.1927.10502953).
Interval wilson(std::int64_t hits, std::int64_t count);

/// 95 % by drawing groups with replacement, of any figure; draws in which it is undefined (NaN) are left out.
Interval bootstrap(const Answers& answers, std::uint64_t seed, const std::function<double(const Answers&)>& figure);

/// Shares and means over the answers whose class (mask) is known; NaN where there is none.
double accuracy(const Answers& answers);
/// Area under the ROC curve of each class against the rest (ties count half), averaged; of two classes the second's.
double auc(const Answers& answers);
/// Mean over the images and labels of Dice; where both are empty, it is left out.
double mean_dice(const Answers& answers);
/// Mean negative log likelihood.
double likelihood_loss(const Answers& answers, double temperature);
/// Expected calibration error, as engine::reliability() has it.
double calibration_error(const Answers& answers, double temperature);
/// engine::fit_temperature(); 1 where no class is known, or none is wrong: the likelihood would grow without an end.
double best_temperature(const Answers& answers);

/// All of them, with intervals, counts, recall and precision of each class and the confusion matrix
/// [truth][found]; what is undefined is null.
nlohmann::json measured(const Answers& answers, const std::vector<std::string>& classes, double temperature,
                        std::uint64_t seed);

}  // namespace oncotome::training
