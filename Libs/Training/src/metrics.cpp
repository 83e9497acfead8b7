// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "oncotome/engine/calibration.h"

namespace oncotome::training {
namespace {

using nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::size_t greatest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

bool has_class(const Answer& a) { return a.label >= 0 && !a.logits.empty(); }

Answers with_class(const Answers& answers) {
  Answers out;
  std::copy_if(answers.begin(), answers.end(), std::back_inserter(out), [](const Answer* a) { return has_class(*a); });
  return out;
}

template <class F>
double mean_over(const Answers& answers, F&& value) {
  double sum = 0;
  for (const Answer* a : answers) sum += value(*a);
  return answers.empty() ? kNone : sum / static_cast<double>(answers.size());
}

std::vector<std::string> groups_of(const Answers& answers) {
  std::vector<std::string> groups;
  for (const Answer* a : answers) groups.push_back(a->group);
  return groups;
}

// Over what images have; NaN where none has anything.
double mean_dice(const Answers& answers, const std::vector<double>& weights) {
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < answers.size(); ++i)
    for (std::size_t k = 0; k < answers[i]->truth.size(); ++k)
      if (const std::int64_t voxels = answers[i]->truth[k] + answers[i]->found[k]; voxels > 0) {
        sum += weights[i] * 2.0 * static_cast<double>(answers[i]->both[k]) / static_cast<double>(voxels);
        count += weights[i];
      }
  return sum / count;
}

json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

}  // namespace

engine::ClassAnswers class_answers(const Answers& all, double temperature) {
  engine::ClassAnswers out;
  for (const Answer* a : with_class(all)) {
    out.probabilities.push_back(engine::softmax(a->logits, temperature));
    out.truth.push_back(static_cast<std::size_t>(a->label));
    out.groups.push_back(a->group);
  }
  return out;
}

double accuracy(const Answers& answers) {
  return mean_over(with_class(answers),
                   [](const Answer& a) { return greatest(a.logits) == static_cast<std::size_t>(a.label) ? 1.0 : 0.0; });
}

double auc(const Answers& answers) { return engine::area_under_curve(class_answers(answers, 1)); }

double mean_dice(const Answers& answers) { return mean_dice(answers, std::vector<double>(answers.size(), 1)); }

double likelihood_loss(const Answers& answers, double temperature) {
  return mean_over(with_class(answers), [&](const Answer& a) {
    return -std::log(std::max(1e-300, engine::softmax(a.logits, temperature)[static_cast<std::size_t>(a.label)]));
  });
}

double best_temperature(const Answers& all) {
  const Answers answers = with_class(all);
  if (answers.empty() || accuracy(answers) == 1) return 1;
  std::vector<std::vector<double>> logits;
  std::vector<std::size_t> truth;
  for (const Answer* a : answers) {
    logits.push_back(a->logits);
    truth.push_back(static_cast<std::size_t>(a->label));
  }
  return engine::fit_temperature(logits, truth);
}

json measured(const Answers& all, const std::vector<std::string>& classes, double temperature, std::uint64_t seed) {
  json j = json::object();
  const engine::ClassAnswers answers = class_answers(all, temperature);
  if (!answers.truth.empty()) {
    j = engine::class_metrics(answers, classes, seed);
    const engine::ClassAnswers uncalibrated = class_answers(all, 1);
    j["ece_uncalibrated"] = engine::reliability(uncalibrated.probabilities, uncalibrated.truth).expected_error;
  }
  j["images"] = all.size();
  if (const double dice = mean_dice(all); std::isfinite(dice)) {
    const engine::Interval interval = engine::bootstrap(groups_of(all), seed, [&](const std::vector<double>& drawn) {
      return std::vector<double>{mean_dice(all, drawn)};
    })[0];
    j["dice"] = {{"value", dice}, {"ci95", {number(interval.first), number(interval.second)}}};
  }
  return j;
}

}  // namespace oncotome::training
