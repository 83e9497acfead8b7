// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/class_metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;

ClassAnswers two_classes(const std::vector<double>& second, const std::vector<std::size_t>& truth) {
  ClassAnswers out;
  for (const double p : second) out.probabilities.push_back({1 - p, p});
  out.truth = truth;
  out.groups.resize(truth.size());
  return out;
}

// statsmodels 0.14: proportion_confint(8, 10, method="wilson").
TEST(ClassMetrics, Wilsons_interval_is_that_of_another_program) {
  EXPECT_NEAR(wilson(8, 10).first, 0.4901625, 1e-6);
  EXPECT_NEAR(wilson(8, 10).second, 0.9433178, 1e-6);
  EXPECT_NEAR(wilson(10, 10).second, 1, 1e-12);
  EXPECT_TRUE(std::isnan(wilson(0, 0).first));
}

TEST(ClassMetrics, The_area_under_the_curve_counts_pairs_in_order_and_ties_half) {
  // scikit-learn's own example: 3 of 4 pairs.
  EXPECT_NEAR(area_under_curve(two_classes({0.1, 0.4, 0.35, 0.8}, {0, 0, 1, 1})), 0.75, 1e-12);
  EXPECT_NEAR(area_under_curve(two_classes({0.4, 0.4}, {0, 1})), 0.5, 1e-12);
  EXPECT_TRUE(std::isnan(area_under_curve(two_classes({0.4}, {1}))));
  // Of three classes: the first is told apart, the second's image lies above two of three, the third's above one and a
  // half.
  const ClassAnswers three{
      {{0.8, 0.1, 0.1}, {0.6, 0.1, 0.3}, {0.2, 0.5, 0.3}, {0.1, 0.3, 0.6}}, {0, 0, 2, 1}, {"", "", "", ""}};
  const std::vector<double> areas = areas_under_curve(three);
  EXPECT_NEAR(areas[0], 1, 1e-12);
  EXPECT_NEAR(areas[1], 2.0 / 3, 1e-12);
  EXPECT_NEAR(areas[2], (1 + 0.5 + 0) / 3, 1e-12);
  EXPECT_NEAR(area_under_curve(three), (1 + 2.0 / 3 + 0.5) / 3, 1e-12);
}

TEST(ClassMetrics, More_classes_than_a_confusion_holds_are_refused) {
  const std::vector<std::string> classes(4097);
  ClassAnswers answers;
  answers.probabilities = {std::vector<double>(classes.size(), 0)};
  answers.truth = {0};
  answers.groups = {""};
  EXPECT_THROW(class_metrics(answers, classes, 1), Error);
}

TEST(ClassMetrics, Figures_have_their_closed_forms) {
  // Answers 1 1 0 0 1, of which 1 0 0 1 1 is true.
  const ClassAnswers answers = two_classes({0.9, 0.9, 0.23, 0.23, 0.7}, {1, 0, 0, 1, 1});
  const nlohmann::json m = class_metrics(answers, {"no", "yes"}, 1);
  EXPECT_EQ(m["confusion"], (nlohmann::json{{1, 1}, {1, 2}}));
  EXPECT_NEAR(m["accuracy"]["value"], 0.6, 1e-12);
  EXPECT_NEAR(m["accuracy"]["ci95"][0], wilson(3, 5).first, 1e-12);
  EXPECT_NEAR(m["mean_recall"]["value"], (0.5 + 2.0 / 3) / 2, 1e-12);
  EXPECT_NEAR(m["classes"][1]["precision"]["value"], 2.0 / 3, 1e-12);
  EXPECT_NEAR(m["classes"][0]["recall"]["value"], 0.5, 1e-12);
  EXPECT_EQ(m["classes"][1]["images"], 3);
  // Pairs (yes, no): 0.9 > 0.23 and = 0.9, 0.23 = 0.23 and < 0.9, 0.7 > 0.23 and < 0.9.
  EXPECT_NEAR(m["auc"]["value"], (1 + 0.5 + 0.5 + 0 + 1 + 0) / 6, 1e-12);
  EXPECT_NEAR(m["classes"][0]["auc"]["value"], m["auc"]["value"].get<double>(), 1e-12);
  // In the bins of 0.7, 0.77 and 0.9 one, two and two images, of which all and half are right.
  EXPECT_NEAR(m["ece"]["value"], (0.3 + 2 * 0.27 + 2 * 0.4) / 5, 1e-12);
  EXPECT_EQ(m["reliability"][10]["images"], 1);
  EXPECT_EQ(m["reliability"][11]["images"], 2);
  EXPECT_NEAR(m["nll"], -(std::log(0.9) + std::log(0.1) + std::log(0.77) + std::log(0.23) + std::log(0.7)) / 5, 1e-12);
}

TEST(ClassMetrics, Groups_are_drawn_whole) {
  // Of two groups, one all right and one all wrong, a draw of both has any of three shares.
  ClassAnswers answers = two_classes(std::vector<double>(20, 0.9), {});
  for (std::size_t i = 0; i < 20; ++i) {
    answers.truth.push_back(i % 2);
    answers.groups.emplace_back(i % 2 == 0 ? "p" : "q");
  }
  const auto accuracy = [&] { return class_metrics(answers, {"a", "b"}, 1)["accuracy"]; };
  EXPECT_EQ(accuracy()["ci95"], (nlohmann::json{0, 1}));
  answers.groups.assign(20, "");
  EXPECT_NEAR(accuracy()["ci95"][0], wilson(10, 20).first, 1e-12);
  for (std::size_t i = 0; i < 20; ++i) answers.groups[i] = std::to_string(i);
  const nlohmann::json drawn = accuracy()["ci95"];
  // The binomial's percentiles for 20 and one half: 6 and 14.
  EXPECT_NEAR(drawn[0], 0.3, 0.051);
  EXPECT_NEAR(drawn[1], 0.7, 0.051);
  EXPECT_EQ(drawn, accuracy()["ci95"]);
}

TEST(ClassMetrics, What_is_undefined_is_null_and_what_does_not_fit_is_refused) {
  const nlohmann::json m = class_metrics(two_classes({0.1, 0.2}, {0, 0}), {"a", "b"}, 1);
  EXPECT_TRUE(m["auc"]["value"].is_null());
  EXPECT_TRUE(m["classes"][1]["recall"]["value"].is_null());
  EXPECT_TRUE(m["classes"][1]["precision"]["ci95"][0].is_null());
  EXPECT_EQ(m["mean_recall"]["value"], 1);
  EXPECT_THROW(class_metrics({}, {"a", "b"}, 1), Error);
  EXPECT_THROW(class_metrics(two_classes({0.1}, {2}), {"a", "b"}, 1), Error);
  EXPECT_THROW(class_metrics(two_classes({0.1}, {1}), {"a", "b", "c"}, 1), Error);
}

}  // namespace
