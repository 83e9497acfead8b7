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

TEST(Metrics, Dice_has_an_interval_over_groups) {
  // Of two groups, one outlined rightly and one not at all, a draw of both has any of three means.
  std::vector<Answer> answers(2, outlined({4}, {4}, {4}));
  answers.push_back(outlined({4}, {4}, {0}));
  answers.push_back(answers.back());
  for (std::size_t i = 0; i < 4; ++i) answers[i].group = i < 2 ? "p" : "q";
  const auto m = measured(all(answers), {}, 1, 1);
  EXPECT_EQ(m["dice"], (nlohmann::json{{"value", 0.5}, {"ci95", {0, 1}}}));
  EXPECT_FALSE(m.contains("accuracy"));
}

TEST(Metrics, Temperature_makes_overconfident_logits_true) {
  // Right in 3 of 4 with a margin of 4: the likeliest margin is log 3.
  std::vector<Answer> answers;
  answers.reserve(40);
  for (int i = 0; i < 40; ++i) answers.push_back(classified({4, 0}, i % 4 == 0 ? 1 : 0));
  EXPECT_NEAR(best_temperature(all(answers)), 4 / std::log(3.0), 1e-3);
  const auto m = measured(all(answers), {"a", "b"}, 4 / std::log(3.0), 1);
  EXPECT_NEAR(m["ece"]["value"], 0, 1e-6);
  EXPECT_GT(m["ece_uncalibrated"], 0.2);
  const std::vector<Answer> right = {classified({4, 0}, 0), classified({0, 4}, 1)};
  EXPECT_EQ(best_temperature(all(right)), 1);
}

}  // namespace
}  // namespace oncotome::training
