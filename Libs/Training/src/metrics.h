// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oncotome/core/json.h"
#include "oncotome/engine/class_metrics.h"

namespace oncotome::training {

/// What a network said of one image, and what is right.
struct Answer {
  std::vector<double> logits;                    ///< Of the classes; empty without a classification head.
  int label = -1;                                ///< -1: not known.
  std::vector<std::int64_t> truth, found, both;  ///< Voxels of each label but the background; empty without a mask.
  std::string group;                             ///< Images of one are drawn together.
};

using Answers = std::vector<const Answer*>;

/// Those whose class is known.
engine::ClassAnswers class_answers(const Answers& answers, double temperature);

/// Shares and means over the answers whose class (mask) is known; NaN where there is none.
double accuracy(const Answers& answers);
/// As engine::area_under_curve() has it.
double auc(const Answers& answers);
/// Mean over the images and labels of Dice; where both are empty, it is left out.
double mean_dice(const Answers& answers);
/// Mean negative log likelihood.
double likelihood_loss(const Answers& answers, double temperature);
/// engine::fit_temperature(); 1 where no class is known, or none is wrong: the likelihood would grow without an end.
double best_temperature(const Answers& answers);

/// engine::class_metrics() of the calibrated answers, the ECE of those that are not, and Dice with its interval.
nlohmann::json measured(const Answers& answers, const std::vector<std::string>& classes, double temperature,
                        std::uint64_t seed);

}  // namespace oncotome::training
