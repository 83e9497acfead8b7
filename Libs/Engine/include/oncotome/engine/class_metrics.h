// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace oncotome::engine {

/// What a network said of images, and what is right; vectors of one length.
struct ClassAnswers {
  std::vector<std::vector<double>> probabilities;  ///< Of the classes.
  std::vector<std::size_t> truth;
  std::vector<std::string> groups;  ///< Such as patients; an image of "" is one of its own.
};

using Interval = std::pair<double, double>;

/// 95 % of a share (Wilson, doi 10.1080/01621459.1927.10502953); NaN of none.
Interval wilson(std::int64_t hits, std::int64_t count);

/// 95 % of each figure by drawing as many groups as there are with replacement, 1000 times (percentiles, doi
/// 10.1214/aos/1176344552). `figures` gets how often each image was drawn, and gives as many values each time; draws in
/// which a figure is undefined (NaN) are left out of it.
std::vector<Interval> bootstrap(const std::vector<std::string>& groups, std::uint64_t seed,
                                const std::function<std::vector<double>(const std::vector<double>& drawn)>& figures);

/// Area under the ROC curve of each class against the rest, ties count half; NaN without one or the other.
std::vector<double> areas_under_curve(const ClassAnswers& answers);

/// Their mean; of two classes the second's.
double area_under_curve(const ClassAnswers& answers);

/// Accuracy, mean recall, AUC and ECE with 95 % intervals, mean negative log likelihood, recall, precision and AUC of
/// each class, the confusion matrix [truth][found], and what a reliability diagram shows. Intervals of shares of images
/// without groups are Wilson's, the others are by bootstrap(). What is undefined is null. Throws Error{usage} where the
/// vectors do not fit, or there is no answer.
nlohmann::json class_metrics(const ClassAnswers& answers, const std::vector<std::string>& classes, std::uint64_t seed);

}  // namespace oncotome::engine
