// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/class_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "oncotome/core/draws.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/calibration.h"

namespace oncotome::engine {
namespace {

using nlohmann::json;

constexpr std::size_t kMostClasses = 4096;  // a confusion has a number of each pair
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Answers made ready for figures of any draw of their images, as often as the draw's weights say.
class Judge {
 public:
  Judge(const ClassAnswers& answers, std::size_t classes) : answers_(answers), classes_(classes) {
    const std::size_t n = answers.truth.size();
    found_.reserve(n);
    for (const std::vector<double>& p : answers.probabilities) {
      const auto best = std::max_element(p.begin(), p.end());
      found_.push_back(static_cast<std::size_t>(best - p.begin()));
      confidence_.push_back(*best);
    }
    for (std::size_t k = 0; k < classes; ++k) {
      std::vector<std::size_t>& order = orders_.emplace_back(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score(a, k) < score(b, k); });
    }
  }

  std::vector<double> once() const { return std::vector<double>(found_.size(), 1); }

  /// [truth][found]
  std::vector<std::vector<double>> confusion(const std::vector<double>& weights) const {
    std::vector<std::vector<double>> out(classes_, std::vector<double>(classes_, 0));
    for (std::size_t i = 0; i < found_.size(); ++i) out[answers_.truth[i]][found_[i]] += weights[i];
    return out;
  }

  double area(const std::vector<double>& weights, std::size_t k) const {
    double area = 0, positives = 0, negatives = 0;
    const std::vector<std::size_t>& order = orders_[k];
    for (std::size_t begin = 0; begin < order.size();) {
      double here = 0, others = 0;
      std::size_t end = begin;
      for (; end < order.size() && score(order[end], k) == score(order[begin], k); ++end)
        (answers_.truth[order[end]] == k ? here : others) += weights[order[end]];
      area += here * (negatives + others / 2);
      positives += here;
      negatives += others;
      begin = end;
    }
    return area / (positives * negatives);
  }

  double mean_area(const std::vector<double>& weights) const {
    if (classes_ == 2) return area(weights, 1);
    double sum = 0;
    for (std::size_t k = 0; k < classes_; ++k) sum += area(weights, k);
    return sum / static_cast<double>(classes_);
  }

  Reliability calibration(const std::vector<double>& weights) const {
    std::vector<bool> right;
    for (std::size_t i = 0; i < found_.size(); ++i) right.push_back(found_[i] == answers_.truth[i]);
    return reliability(confidence_, right, weights);
  }

  double likelihood_loss() const {
    double sum = 0;
    for (std::size_t i = 0; i < found_.size(); ++i) sum -= std::log(std::max(1e-300, score(i, answers_.truth[i])));
    return sum / static_cast<double>(found_.size());
  }

  /// In the order that class_metrics() tells them.
  std::vector<double> figures(const std::vector<double>& weights) const {
    const auto matrix = confusion(weights);
    double hits = 0, all = 0, recalls = 0;
    std::vector<double> out(4), by_class;
    int known = 0;
    for (std::size_t k = 0; k < classes_; ++k) {
      const double of_class = std::accumulate(matrix[k].begin(), matrix[k].end(), 0.0);
      double found = 0;
      for (const auto& row : matrix) found += row[k];
      hits += matrix[k][k];
      all += of_class;
      if (of_class > 0) recalls += matrix[k][k] / of_class, ++known;
      by_class.insert(by_class.end(), {matrix[k][k] / of_class, matrix[k][k] / found, area(weights, k)});
    }
    out[0] = hits / all;
    out[1] = recalls / known;
    out[2] = mean_area(weights);
    out[3] = calibration(weights).expected_error;
    out.insert(out.end(), by_class.begin(), by_class.end());
    return out;
  }

 private:
  double score(std::size_t image, std::size_t k) const { return answers_.probabilities[image][k]; }

  const ClassAnswers& answers_;
  const std::size_t classes_;
  std::vector<std::size_t> found_;
  std::vector<double> confidence_;
  std::vector<std::vector<std::size_t>> orders_;  ///< Of the images, by the probability of each class.
};

void check(const ClassAnswers& answers, std::size_t classes) {
  if (classes > kMostClasses)
    throw Error(ErrorCode::usage, "figures can be told of " + std::to_string(kMostClasses) + " classes at most");
  const std::size_t n = answers.truth.size();
  bool fits = n > 0 && answers.probabilities.size() == n && answers.groups.size() == n;
  for (std::size_t i = 0; fits && i < n; ++i)
    fits = answers.truth[i] < classes && answers.probabilities[i].size() == classes;
  if (!fits) throw Error(ErrorCode::usage, "figures of classes need one answer at least, and a true class for each");
}

json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json with_interval(double value, const Interval& interval) {
  return {{"value", number(value)}, {"ci95", {number(interval.first), number(interval.second)}}};
}

}  // namespace

Interval wilson(std::int64_t hits, std::int64_t count) {
  constexpr double z = 1.959963984540054;
  const auto n = static_cast<double>(count);
  const double p = static_cast<double>(hits) / n, middle = p + z * z / (2 * n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
  if (count == 0) return {kNone, kNone};
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

std::vector<Interval> bootstrap(const std::vector<std::string>& groups, std::uint64_t seed,
                                const std::function<std::vector<double>(const std::vector<double>& drawn)>& figures) {
  constexpr std::uint64_t kDraws = 1000;
  std::map<std::string, std::vector<std::size_t>> by_group;
  for (std::size_t i = 0; i < groups.size(); ++i)
    by_group[groups[i].empty() ? "#" + std::to_string(i) : "g" + groups[i]].push_back(i);
  std::vector<const std::vector<std::size_t>*> units;
  units.reserve(by_group.size());
  for (const auto& group : by_group) units.push_back(&group.second);
  std::vector<std::vector<double>> values;
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    Draws draws(seed, Purpose::bootstrap, {draw});
    std::vector<double> drawn(groups.size(), 0);
    for (std::size_t i = 0; i < units.size(); ++i)
      for (const std::size_t image : *units[draws.index(units.size())]) ++drawn[image];
    const std::vector<double> found = figures(drawn);
    values.resize(found.size());
    for (std::size_t f = 0; f < found.size(); ++f)
      if (std::isfinite(found[f])) values[f].push_back(found[f]);
  }
  std::vector<Interval> out;
  for (std::vector<double>& sorted : values) {
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double q) {
      return sorted[static_cast<std::size_t>(std::lround(q * static_cast<double>(sorted.size() - 1)))];
    };
    out.push_back(sorted.empty() ? Interval(kNone, kNone) : Interval(at(0.025), at(0.975)));
  }
  return out;
}

std::vector<double> areas_under_curve(const ClassAnswers& answers) {
  if (answers.truth.empty()) return {};
  const Judge judge(answers, answers.probabilities[0].size());
  std::vector<double> out;
  for (std::size_t k = 0; k < answers.probabilities[0].size(); ++k) out.push_back(judge.area(judge.once(), k));
  return out;
}

double area_under_curve(const ClassAnswers& answers) {
  if (answers.truth.empty()) return kNone;
  const Judge judge(answers, answers.probabilities[0].size());
  return judge.mean_area(judge.once());
}

json class_metrics(const ClassAnswers& answers, const std::vector<std::string>& classes, std::uint64_t seed) {
  const std::size_t K = classes.size();
  check(answers, K);
  const Judge judge(answers, K);
  const std::vector<double> values = judge.figures(judge.once());
  const std::vector<Interval> drawn =
      bootstrap(answers.groups, seed, [&](const std::vector<double>& weights) { return judge.figures(weights); });
  const bool is_grouped =
      std::any_of(answers.groups.begin(), answers.groups.end(), [](const std::string& g) { return !g.empty(); });
  std::vector<std::vector<std::int64_t>> confusion(K);
  const std::vector<std::vector<double>> matrix = judge.confusion(judge.once());
  for (std::size_t k = 0; k < K; ++k) confusion[k].assign(matrix[k].begin(), matrix[k].end());

  const auto figure = [&](std::size_t f) { return with_interval(values[f], drawn[f]); };
  const auto share = [&](std::size_t f, std::int64_t hits, std::int64_t count) {
    return is_grouped ? figure(f) : with_interval(values[f], wilson(hits, count));
  };
  json j;
  std::int64_t hits = 0;
  for (std::size_t k = 0; k < K; ++k) {
    std::int64_t of_class = 0, found = 0;
    for (std::size_t other = 0; other < K; ++other) of_class += confusion[k][other], found += confusion[other][k];
    hits += confusion[k][k];
    j["classes"].push_back({{"name", classes[k]},
                            {"images", of_class},
                            {"recall", share(4 + 3 * k, confusion[k][k], of_class)},
                            {"precision", share(5 + 3 * k, confusion[k][k], found)},
                            {"auc", figure(6 + 3 * k)}});
  }
  j["accuracy"] = share(0, hits, static_cast<std::int64_t>(answers.truth.size()));
  j["mean_recall"] = figure(1);
  j["auc"] = figure(2);
  j["ece"] = figure(3);
  j["nll"] = number(judge.likelihood_loss());
  j["confusion"] = confusion;
  for (const ReliabilityBin& bin : judge.calibration(judge.once()).bins)
    j["reliability"].push_back({{"low", bin.low},
                                {"high", bin.high},
                                {"images", bin.count},
                                {"confidence", bin.confidence},
                                {"accuracy", bin.accuracy}});
  return j;
}

}  // namespace oncotome::engine
