// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace oncotome::training {
namespace {

Answer classified(std::vector<double> logits, int label, std::string group = "") {
  Answer a;
  a.logits = std::move(logits);
  a.label = label;
  a.group = std::move(group);
  return a;
}

Answer outlined(std::vector<std::int64_t> truth, std::vector<std::int64_t> found, std::vector<std::int64_t> both) {
  Answer a;
  a.truth = std::move(truth);
  a.found = std::move(found);
  a.both = std::move(both);
  return a;
}

Answers all(const std::vector<Answer>& answers) {
  Answers out;
  for (const Answer& a : answers) out.push_back(&a);
  return out;
}

// statsmodels 0.14: proportion_confint(8, 10, method="wilson").
TEST(Metrics, Wilsons_interval_is_that_of_another_program) {
  EXPECT_NEAR(wilson(8, 10).first, 0.4901625, 1e-6);
  EXPECT_NEAR(wilson(8, 10).second, 0.9433178, 1e-6);
  EXPECT_NEAR(wilson(10, 10).second, 1, 1e-12);
}

TEST(Metrics, Auc_counts_the_pairs_in_order_and_ties_half) {
  // Scores of the second class 0.1 0.4 0.35 0.8, truth 0 0 1 1: 3 of 4 pairs (scikit-learn's own example).
  std::vector<Answer> answers;
  answers.reserve(4);
  const double scores[] = {0.1, 0.4, 0.35, 0.8};
  for (int i = 0; i < 4; ++i) answers.push_back(classified({0, std::log(scores[i] / (1 - scores[i]))}, i / 2));
  EXPECT_NEAR(auc(all(answers)), 0.75, 1e-12);
  const std::vector<Answer> tied = {classified({0, 1}, 0), classified({0, 1}, 1)};
  EXPECT_NEAR(auc(all(tied)), 0.5, 1e-12);
  const std::vector<Answer> one = {classified({0, 1}, 1)};
  EXPECT_TRUE(std::isnan(auc(all(one))));
}

TEST(Metrics, Dice_is_the_mean_over_images_that_have_something) {
  const std::vector<Answer> answers = {outlined({10}, {10}, {5}), outlined({0}, {0}, {0}), outlined({4}, {0}, {0})};
  EXPECT_NEAR(mean_dice(all(answers)), 0.25, 1e-12);
}

TEST(Metrics, What_is_unknown_is_left_out) {
  const std::vector<Answer> answers = {classified({2, 1}, 0), classified({2, 1}, -1), classified({2, 1}, 1)};
  EXPECT_NEAR(accuracy(all(answers)), 0.5, 1e-12);
  const auto m = measured(all(answers), {"a", "b"}, 1, 1);
  EXPECT_EQ(m["images"], 3);
  EXPECT_EQ(m["confusion"], (nlohmann::json{{1, 0}, {1, 0}}));
  EXPECT_TRUE(m["classes"][1]["precision"]["value"].is_null());
  EXPECT_FALSE(m.contains("dice"));
}

TEST(Metrics, The_bootstrap_draws_groups) {
  // Of two groups, one all right and one all wrong, a draw of both has any of three shares.
  std::vector<Answer> answers;
  answers.reserve(20);
  for (int i = 0; i < 20; ++i) answers.push_back(classified({1, 0}, i % 2, i % 2 == 0 ? "p" : "q"));
  const Interval whole = bootstrap(all(answers), 1, accuracy);
  EXPECT_EQ(whole, Interval(0, 1));
  for (Answer& a : answers) a.group.clear();
  const Interval single = bootstrap(all(answers), 1, accuracy);
  EXPECT_GT(single.first, 0.2);
  EXPECT_LT(single.second, 0.8);
  EXPECT_EQ(single, bootstrap(all(answers), 1, accuracy));
}

TEST(Metrics, Temperature_makes_overconfident_logits_true) {
  // Right in 3 of 4 with a margin of 4: the likeliest margin is log 3.
  std::vector<Answer> answers;
  answers.reserve(40);
  for (int i = 0; i < 40; ++i) answers.push_back(classified({4, 0}, i % 4 == 0 ? 1 : 0));
  EXPECT_NEAR(best_temperature(all(answers)), 4 / std::log(3.0), 1e-3);
  EXPECT_NEAR(calibration_error(all(answers), 4 / std::log(3.0)), 0, 1e-6);
  EXPECT_GT(calibration_error(all(answers), 1), 0.2);
  const std::vector<Answer> right = {classified({4, 0}, 0), classified({0, 4}, 1)};
  EXPECT_EQ(best_temperature(all(right)), 1);
}

}  // namespace
}  // namespace oncotome::training
