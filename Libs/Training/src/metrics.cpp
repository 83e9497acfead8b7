// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "oncotome/core/draws.h"
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

std::vector<std::size_t> truth_of(const Answers& answers) {
  std::vector<std::size_t> truth;
  for (const Answer* a : answers) truth.push_back(static_cast<std::size_t>(a->label));
  return truth;
}

template <class F>
double mean_over(const Answers& answers, F&& value) {
  double sum = 0;
  for (const Answer* a : answers) sum += value(*a);
  return answers.empty() ? kNone : sum / static_cast<double>(answers.size());
}

using Rows = std::vector<std::vector<double>>;

Rows probabilities_of(const Answers& answers, double temperature = 1) {
  Rows rows;
  for (const Answer* a : answers) rows.push_back(engine::softmax(a->logits, temperature));
  return rows;
}

// By the ranks of the scores (Mann-Whitney).
double auc_of(const Answers& answers, const Rows& probabilities, int label) {
  std::vector<std::pair<double, bool>> scores;
  for (std::size_t i = 0; i < answers.size(); ++i)
    scores.emplace_back(probabilities[i][static_cast<std::size_t>(label)], answers[i]->label == label);
  std::sort(scores.begin(), scores.end());
  double ranks = 0, positives = 0;
  for (std::size_t i = 0; i < scores.size();) {
    std::size_t end = i;
    while (end < scores.size() && scores[end].first == scores[i].first) ++end;
    for (std::size_t j = i; j < end; ++j)
      if (scores[j].second) ranks += static_cast<double>(i + end + 1) / 2, ++positives;
    i = end;
  }
  const double negatives = static_cast<double>(scores.size()) - positives;
  return (ranks - positives * (positives + 1) / 2) / (positives * negatives);
}

json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json with_interval(double value, const Interval& interval) {
  return {{"value", number(value)}, {"ci95", {number(interval.first), number(interval.second)}}};
}

json share(std::int64_t hits, std::int64_t count) {
  if (count == 0) return with_interval(kNone, {kNone, kNone});
  return with_interval(static_cast<double>(hits) / static_cast<double>(count), wilson(hits, count));
}

}  // namespace

Interval wilson(std::int64_t hits, std::int64_t count) {
  constexpr double z = 1.959963984540054;
  const auto n = static_cast<double>(count);
  const double p = static_cast<double>(hits) / n, middle = p + z * z / (2 * n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

Interval bootstrap(const Answers& answers, std::uint64_t seed, const std::function<double(const Answers&)>& figure) {
  constexpr std::uint64_t kDraws = 1000;
  std::map<std::string, Answers> by_group;
  for (std::size_t i = 0; i < answers.size(); ++i)
    by_group[answers[i]->group.empty() ? "#" + std::to_string(i) : "g" + answers[i]->group].push_back(answers[i]);
  std::vector<const Answers*> groups;
  groups.reserve(by_group.size());
  for (const auto& group : by_group) groups.push_back(&group.second);
  std::vector<double> values;
  for (std::uint64_t draw = 0; draw < kDraws && !groups.empty(); ++draw) {
    Draws draws(seed, Purpose::bootstrap, {draw});
    Answers drawn;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const Answers& group = *groups[draws.index(groups.size())];
      drawn.insert(drawn.end(), group.begin(), group.end());
    }
    if (const double value = figure(drawn); std::isfinite(value)) values.push_back(value);
  }
  if (values.empty()) return {kNone, kNone};
  std::sort(values.begin(), values.end());
  const auto at = [&](double q) {
    return values[static_cast<std::size_t>(std::lround(q * static_cast<double>(values.size() - 1)))];
  };
  return {at(0.025), at(0.975)};
}

double accuracy(const Answers& answers) {
  return mean_over(with_class(answers),
                   [](const Answer& a) { return greatest(a.logits) == static_cast<std::size_t>(a.label) ? 1.0 : 0.0; });
}

double auc(const Answers& all) {
  const Answers answers = with_class(all);
  if (answers.empty()) return kNone;
  const int classes = static_cast<int>(answers[0]->logits.size());
  const Rows probabilities = probabilities_of(answers);
  if (classes == 2) return auc_of(answers, probabilities, 1);
  double sum = 0;
  for (int k = 0; k < classes; ++k) sum += auc_of(answers, probabilities, k);
  return sum / classes;
}

double mean_dice(const Answers& answers) {
  double sum = 0, count = 0;
  for (const Answer* a : answers)
    for (std::size_t k = 0; k < a->truth.size(); ++k)
      if (const std::int64_t voxels = a->truth[k] + a->found[k]; voxels > 0)
        sum += 2.0 * static_cast<double>(a->both[k]) / static_cast<double>(voxels), ++count;
  return sum / count;
}

double likelihood_loss(const Answers& answers, double temperature) {
  return mean_over(with_class(answers), [&](const Answer& a) {
    return -std::log(std::max(1e-300, engine::softmax(a.logits, temperature)[static_cast<std::size_t>(a.label)]));
  });
}

double calibration_error(const Answers& all, double temperature) {
  const Answers answers = with_class(all);
  if (answers.empty()) return kNone;
  return engine::reliability(probabilities_of(answers, temperature), truth_of(answers)).expected_error;
}

double best_temperature(const Answers& all) {
  const Answers answers = with_class(all);
  if (answers.empty() || accuracy(answers) == 1) return 1;
  Rows logits;
  for (const Answer* a : answers) logits.push_back(a->logits);
  return engine::fit_temperature(logits, truth_of(answers));
}

json measured(const Answers& all, const std::vector<std::string>& classes, double temperature, std::uint64_t seed) {
  json j{{"images", all.size()}};
  if (const double dice = mean_dice(all); std::isfinite(dice))
    j["dice"] = with_interval(dice, bootstrap(all, seed, mean_dice));
  const Answers answers = with_class(all);
  if (answers.empty()) return j;
  const std::size_t K = classes.size();
  std::vector<std::vector<std::int64_t>> confusion(K, std::vector<std::int64_t>(K, 0));
  std::int64_t hits = 0;
  for (const Answer* a : answers) {
    const std::size_t best = greatest(a->logits);
    ++confusion[static_cast<std::size_t>(a->label)][best];
    hits += best == static_cast<std::size_t>(a->label) ? 1 : 0;
  }
  j["accuracy"] = share(hits, static_cast<std::int64_t>(answers.size()));
  j["auc"] = with_interval(auc(answers), bootstrap(answers, seed, auc));
  const auto error = [&](const Answers& a) { return calibration_error(a, temperature); };
  j["ece"] = with_interval(error(answers), bootstrap(answers, seed, error));
  j["ece_uncalibrated"] = number(calibration_error(answers, 1));
  j["nll"] = number(likelihood_loss(answers, temperature));
  j["confusion"] = confusion;
  for (std::size_t k = 0; k < K; ++k) {
    std::int64_t of_class = 0, found = 0;
    for (std::size_t other = 0; other < K; ++other) of_class += confusion[k][other], found += confusion[other][k];
    j["classes"].push_back({{"name", classes[k]},
                            {"images", of_class},
                            {"recall", share(confusion[k][k], of_class)},
                            {"precision", share(confusion[k][k], found)}});
  }
  return j;
}

}  // namespace oncotome::training
