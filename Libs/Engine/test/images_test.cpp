// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/calibration.h"
#include "oncotome/engine/classification.h"
#include "oncotome/engine/safetensors.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;
using Resize = ImagePreparation::Resize;

Tensor with_depth(const Tensor& picture) {
  Tensor out = picture;
  out.shape.insert(out.shape.begin() + 2, 1);
  return out;
}

TEST(Images, Are_resized_as_torchvision_does_with_antialiasing) {
  const Weights fixture = read_safetensors(ONCOTOME_FIXTURES "/pictures/resized.safetensors");
  const Tensor image = with_depth(fixture.at("image"));
  for (const auto& [name, expected] : fixture) {
    const Tensor found = resize_image(image, {1, expected.shape[2], expected.shape[3]});
    ASSERT_EQ(found.shape, with_depth(expected).shape);
    for (std::size_t i = 0; i < found.values.size(); ++i)
      ASSERT_NEAR(found.values[i], expected.values[i], 2e-6) << name << " at " << i;
  }
}

TEST(Images, Are_squashed_or_padded_by_their_outermost_values) {
  Tensor ramp({1, 1, 1, 2, 4});
  for (std::size_t i = 0; i < 8; ++i) ramp.values[i] = static_cast<float>(i);
  ImagePreparation p;
  p.mean = {0};
  p.std = {1};
  EXPECT_EQ(prepare_image(p, {1, 2, 4}, ramp).values, ramp.values);
  p.resize = Resize::pad;
  const ImageBox box = image_box(Resize::pad, {1, 8, 8}, {1, 2, 4});
  EXPECT_EQ(box.begin, (Dhw{0, 2, 0}));
  EXPECT_EQ(box.size, (Dhw{1, 4, 8}));
  EXPECT_EQ(prepare_image(p, {1, 4, 4}, ramp).values,
            (std::vector<float>{0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7}));
  // A volume that is flat in the network but not by itself is scaled by its depth too.
  EXPECT_EQ(image_box(Resize::pad, {4, 8, 8}, {8, 8, 8}).size, (Dhw{4, 4, 4}));
  const Tensor one = prepare_image(p, {1, 3, 5}, Tensor({1, 1, 1, 1, 1}, 7));
  EXPECT_EQ(one.values, std::vector<float>(15, 7.0F));
}

TEST(Images, Are_rescaled_clipped_and_normalized) {
  Tensor raw({1, 2, 1, 1, 3});
  raw.values = {-5, 50, 300, 0, 100, 25};
  ImagePreparation p;
  p.rescale = {{0, 100}};
  p.mean = {0.5, 0};
  p.std = {0.5, 2};
  EXPECT_EQ(prepare_image(p, {1, 1, 3}, raw).values, (std::vector<float>{-1, 0, 1, 0, 0.5F, 0.125F}));
  // Quantiles as NumPy's: of 0, 25, 50, 75, 100 the quarter lies at 25.
  Tensor five({1, 1, 1, 1, 5});
  five.values = {100, 0, 75, 25, 50};
  p = {};
  p.percentiles = {{0.25, 0.875}};  // 25 and 87.5
  p.mean = {0};
  p.std = {1};
  const Tensor found = prepare_image(p, {1, 1, 5}, five);
  const std::vector<float> expected{1, 0, 0.8F, 0, 0.4F};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(found.values[i], expected[i], 1e-6);
  EXPECT_EQ(prepare_image(p, {1, 1, 2}, Tensor({1, 1, 1, 2, 2}, 4)).values, (std::vector<float>{0, 0}));
  EXPECT_THROW(prepare_image(p, {1, 1, 2}, Tensor({1, 2, 1, 2, 2}, 4)), Error);
  five.values[2] = NAN;
  EXPECT_THROW(prepare_image(p, {1, 1, 5}, five), Error);
}

TEST(Images, Margins_of_which_little_lies_above_a_value_are_cut_off) {
  Tensor raw({1, 1, 1, 100, 50});
  const auto at = [&](std::size_t y, std::size_t x) -> float& { return raw.values[y * 50 + x]; };
  for (std::size_t y = 40; y < 60; ++y)
    for (std::size_t x = 10; x < 30; ++x) at(y, x) = 1;
  at(5, 20) = 1;                // 2 % of its row
  at(95, 20) = 0.1F;            // not above
  at(20, 40) = at(50, 45) = 1;  // 1 % of their columns
  ImageInference i;
  i.image.rescale = {{0, 1}};
  i.image.crop_above = 0.1;
  i.image.mean = {0};
  i.image.std = {1};
  i.network.input_size = {1, 11, 4};
  const ImageBox window = image_window(i.image, raw);
  EXPECT_EQ(window.begin, (Dhw{0, 5, 10}));
  EXPECT_EQ(window.size, (Dhw{1, 55, 20}));
  EXPECT_EQ(
      prepare_image(i.image, i.network.input_size, raw).values,
      prepare_image({{{0, 1}}, {}, {}, Resize::squash, 0, {0}, {1}}, i.network.input_size, cut(raw, window)).values);
  const Tensor back = on_image_grid(i, Tensor({1, 2, 1, 11, 4}, 3), raw, {7, 9});
  for (std::size_t v = 0; v < back.values.size(); ++v) {
    const std::size_t y = v / 50 % 100, x = v % 50;
    const bool is_seen = y >= 5 && y < 60 && x >= 10 && x < 30;
    ASSERT_EQ(back.values[v], is_seen ? 3 : v < 5000 ? 7 : 9) << v;
  }
  const Tensor dark({1, 1, 1, 100, 50});
  EXPECT_EQ(image_window(i.image, dark).size, (Dhw{1, 100, 50}));
}

TEST(Images, Ranks_take_the_place_of_a_share_of_the_values) {
  Tensor raw({1, 2, 1, 1, 20001});
  for (std::size_t v = 0; v <= 20000; ++v) {
    const double u = static_cast<double>(v) / 20000;
    raw.values[v] = static_cast<float>(u);
    raw.values[20001 + v] = static_cast<float>(u * u);
  }
  ImagePreparation p;
  p.rescale = {{0, 1}};
  p.mean = {0, 0};
  p.std = {1, 1};
  for (const double share : {0.25, 1.0}) {
    p.equalize = share;
    const std::vector<float> found = prepare_image(p, {1, 1, 20001}, raw).values;
    for (std::size_t v = 0; v <= 20000; v += 10) {
      const double u = static_cast<double>(v) / 20000, low = std::sqrt(0.05);
      // Of even values the rank is even too; of their squares it is as the root.
      EXPECT_NEAR(found[v], (1 - share) * u + share * std::max(0.0, (u - 0.05) / 0.95), 1e-3);
      EXPECT_NEAR(found[20001 + v], (1 - share) * u * u + share * std::max(0.0, (u - low) / (1 - low)), 1e-3);
    }
  }
}

Tensor two_outputs(const std::vector<float>& lesion) {
  Tensor t({1, 2, 1, 1, static_cast<std::int64_t>(lesion.size())});
  for (std::size_t v = 0; v < lesion.size(); ++v) {
    t.values[v] = 1 - lesion[v];
    t.values[lesion.size() + v] = lesion[v];
  }
  return t;
}

TEST(Images, Voxels_are_labelled_so_that_Dice_can_expect_most) {
  using Labels = std::vector<std::uint8_t>;
  const auto decided = [](const std::vector<float>& lesion, LabelDecision decision = LabelDecision::expected_dice) {
    return decide_labels(two_outputs(lesion), decision);
  };
  // 2 * 0.4 / (1 + 1.1), 2 * 0.8 / (2 + 1.1) and, the greatest, 2 * 1.1 / (3 + 1.1).
  EXPECT_EQ(decided({0.4F, 0, 0.3F, 0.4F}), (Labels{1, 0, 1, 1}));
  EXPECT_EQ(decided({0.4F, 0, 0.3F, 0.4F}, LabelDecision::most_probable), (Labels{0, 0, 0, 0}));
  // 2 * 1.85 / (2 + 2.05) against 2 * 2.05 / (3 + 2.05).
  EXPECT_EQ(decided({0.2F, 0.95F, 0.9F}), (Labels{0, 1, 1}));
  EXPECT_EQ(decided({0.05F, 0.09F, 0.01F}), (Labels{0, 0, 0}));
  // Sums of two, and the more probable of two kinds of lesion.
  Tensor three({1, 3, 1, 1, 2});
  three.values = {1.2F, 1.9F, 0.3F, 0.1F, 0.5F, 0};
  EXPECT_EQ(decide_labels(three, LabelDecision::expected_dice), (Labels{2, 0}));
}

TEST(Images, Values_of_DICOM_are_shown_as_a_picture_shows_them) {
  Tensor hu({1, 1, 1, 1, 4});
  hu.values = {-2000, -1000, -300, 1000};
  show_as_picture({{-1000, 400}}, hu);
  EXPECT_EQ(hu.values, (std::vector<float>{0, 0, 127.5F, 255}));
}

TEST(Calibration, Softmax_entropy_and_energy_have_their_closed_forms) {
  const std::vector<double> p = softmax({std::log(1.0), std::log(2.0), std::log(5.0)});
  EXPECT_NEAR(p[0], 0.125, 1e-12);
  EXPECT_NEAR(p[2], 0.625, 1e-12);
  const std::vector<double> cooled = softmax({0, 2 * std::log(3.0)}, 2);
  EXPECT_NEAR(cooled[1], 0.75, 1e-12);
  EXPECT_NEAR(softmax({1000, 0})[0], 1, 1e-12);
  EXPECT_NEAR(entropy({0.25, 0.25, 0.25, 0.25}), std::log(4.0), 1e-12);
  EXPECT_EQ(entropy({1, 0}), 0);
  EXPECT_NEAR(energy({std::log(1.0), std::log(2.0), std::log(5.0)}), -std::log(8.0), 1e-12);
  EXPECT_NEAR(energy({1000, 1000}), -1000 - std::log(2.0), 1e-9);
}

TEST(Calibration, The_temperature_is_that_at_which_confidence_is_accuracy) {
  // Logits say 0.9 at temperature 1, of four images three are right: 0.75 = 1 / (1 + exp(-log(9) / T)).
  const double logit = std::log(9.0);
  const std::vector<std::vector<double>> logits(4, {0, logit});
  EXPECT_NEAR(fit_temperature(logits, {1, 1, 1, 0}), logit / std::log(3.0), 1e-9);
  EXPECT_NEAR(fit_temperature(logits, {1, 1, 1, 1}), 0.05, 1e-9);
  EXPECT_THROW(fit_temperature({}, {}), Error);
  EXPECT_THROW(fit_temperature(logits, {1, 1, 1, 2}), Error);
}

TEST(Calibration, The_expected_error_of_fifteen_bins_has_its_closed_form) {
  // Four images in the bin (0.8, 0.867] with three right, two in (0.6, 0.667] with none, one at 1.
  std::vector<std::vector<double>> p(4, {0.85, 0.15});
  p.insert(p.end(), {{0.65, 0.35}, {0.35, 0.65}, {0, 1}});
  const Reliability r = reliability(p, {0, 0, 0, 1, 1, 0, 1});
  ASSERT_EQ(r.bins.size(), 15u);
  EXPECT_EQ(r.bins[12].count, 4u);
  EXPECT_NEAR(r.bins[12].accuracy, 0.75, 1e-12);
  EXPECT_NEAR(r.bins[12].confidence, 0.85, 1e-12);
  EXPECT_EQ(r.bins[9].count, 2u);
  EXPECT_EQ(r.bins[14].count, 1u);
  EXPECT_NEAR(r.expected_error, (4 * 0.10 + 2 * 0.65 + 0) / 7, 1e-12);
  EXPECT_NEAR(r.maximum_error, 0.65, 1e-12);
}

std::vector<double> features(std::mt19937& random) {
  std::normal_distribution<double> normal;
  const double a = normal(random), b = normal(random);
  return {3 + 2 * a, -1 + a + 0.5 * b};
}

TEST(ImageGate, The_distance_is_that_of_Mahalanobis) {
  std::mt19937 random(5);
  std::vector<std::vector<double>> training(20000), held_out(999);
  for (auto& f : training) f = features(random);
  for (auto& f : held_out) f = features(random);
  const ImageGate gate = fit_gate(training, held_out, {}, 0.99);
  // a = 3 and b = -4 lie five deviations off; several components make up the one distribution.
  EXPECT_NEAR(gate_distance(gate, {3 + 2 * 3.0, -1 + 3.0 - 2.0}), 5, 0.15);
  // The squared distance has two degrees of freedom: P(d > t) = exp(-t^2 / 2).
  EXPECT_NEAR(gate.max_distance, std::sqrt(-2 * std::log(0.01)), 0.25);
  EXPECT_EQ(gate_refusal(gate, {gate.max_distance, {}}), "");
  EXPECT_NE(gate_refusal(gate, {gate.max_distance + 0.1, {}}), "");
  EXPECT_NE(gate_refusal(gate, {std::nan(""), {}}), "");
  EXPECT_THROW(gate_distance(gate, {1, 2, 3}), Error);
}

TEST(ImageGate, The_threshold_is_the_conformal_rank_of_the_held_out_images) {
  const std::vector<std::vector<double>> training{{-1}, {1}};
  std::vector<std::vector<double>> held_out;
  std::vector<double> energies;
  for (int i = 1; i <= 9; ++i) {
    held_out.push_back({static_cast<double>(i)});
    energies.push_back(-i);
  }
  const ImageGate gate = fit_gate(training, held_out, energies, 0.8);  // rank ceil(10 * 0.8) = 8
  const double deviation = std::sqrt(2 * 1.01);  // the variance of -1 and 1 is 2; a hundredth is added
  EXPECT_NEAR(gate.max_distance, 8 / deviation, 1e-3);
  EXPECT_EQ(*gate.max_energy, -2);
  EXPECT_NE(gate_refusal(gate, {0, -1.5}), "");
  EXPECT_EQ(gate_refusal(gate, {0, -2.5}), "");
  EXPECT_NEAR(fit_gate(training, held_out, {}, 0.999).max_distance, 9 / deviation, 1e-3);
  EXPECT_THROW(fit_gate(training, {}, {}, 0.9), Error);
  const nlohmann::json j = gate_json(gate);
  EXPECT_EQ(j.at("features"), "statistics/2");
  EXPECT_EQ(j.at("components").size(), 1u);
  EXPECT_EQ(j.at("max_energy"), -2);
}

TEST(ImageGate, Kinds_of_images_have_a_component_each) {
  // Two narrow kinds far apart: what lies between them, at the mean of all, is of neither.
  std::mt19937 random(5);
  std::vector<std::vector<double>> training(4000), held_out(999);
  const auto draw = [&](std::vector<double>& f) {
    f = features(random);
    if (random() % 4 == 0) f[0] += 60;
  };
  for (auto& f : training) draw(f);
  for (auto& f : held_out) draw(f);
  const ImageGate gate = fit_gate(training, held_out, {}, 0.99);
  ASSERT_EQ(gate.components.size(), 4u);
  double far_off = 0;
  for (const auto& c : gate.components) far_off += c.mean[0] > 30 ? c.weight : 0;
  EXPECT_NEAR(far_off, 0.25, 0.02);
  EXPECT_LT(gate.max_distance, 6);
  EXPECT_EQ(gate_refusal(gate, {gate_distance(gate, {3, -1}), {}}), "");
  EXPECT_EQ(gate_refusal(gate, {gate_distance(gate, {63, -1}), {}}), "");
  EXPECT_GT(gate_distance(gate, {33, -1}), 2 * gate.max_distance);
  EXPECT_EQ(gate_json(fit_gate(training, held_out, {}, 0.99)), gate_json(gate));
}

TEST(ImageGate, The_distance_of_several_components_has_its_closed_form) {
  // One third N(0, 1) and two thirds N(10, 2^2).
  ImageGate gate;
  gate.components = {{1.0 / 3, {0}, {1}}, {2.0 / 3, {10}, {0.5}}};
  const auto density = [](double x) {
    return 1.0 / 3 * std::exp(-x * x / 2) + 2.0 / 3 / 2 * std::exp(-(x - 10) * (x - 10) / 8);
  };
  for (const double x : {-1.0, 0.0, 4.0, 12.0})
    EXPECT_NEAR(gate_distance(gate, {x}), std::sqrt(-2 * std::log(density(x) / (2.0 / 3))), 1e-9) << x;
}

TEST(ImageGate, The_first_features_tell_brightness_texture_and_color) {
  Tensor gray({1, 3, 1, 8, 8}, 2.0F), striped = gray, colored = gray;
  for (std::size_t i = 0; i < striped.values.size(); ++i) striped.values[i] = i % 2 == 0 ? 1.0F : 3.0F;
  std::fill_n(colored.values.begin(), 64, 5.0F);
  const std::vector<double> a = gate_features(gray, 1), b = gate_features(striped, 1), c = gate_features(colored, 1);
  ASSERT_EQ(a.size(), 3 * 9 + 2 + 32u);
  EXPECT_EQ(a[0], 2);                       // mean, deviation, five quantiles, edges, detail
  EXPECT_NEAR(a[1], std::log(0.01), 1e-9);  // strengths are logs of 0.01 and more
  EXPECT_NEAR(a[7], std::log(0.01), 1e-9);
  EXPECT_EQ(b[0], 2);
  EXPECT_NEAR(b[1], std::log(1.01), 1e-9);
  EXPECT_NEAR(b[7], std::log(2 * 7 / 8.0 + 0.01), 1e-9);
  EXPECT_NEAR(a[18], std::log(0.01), 1e-9);  // between the first two channels
  EXPECT_NEAR(c[18], std::log(3.01), 1e-9);
  EXPECT_EQ(a[29], 2);  // of the first block mean and deviation
  EXPECT_NEAR(a[30], std::log(0.01), 1e-9);
  EXPECT_EQ(c[29], 3);  // (5 + 2 + 2) / 3
}

TEST(ImageGate, Features_tell_extremes_gradients_correlations_and_borders) {
  // Columns of 0, 1, 2, ... 7.
  Tensor ramp({1, 1, 1, 8, 8});
  for (std::size_t i = 0; i < ramp.values.size(); ++i) ramp.values[i] = static_cast<float>(i % 8);
  const std::vector<double> f = gate_features(ramp);
  ASSERT_EQ(f.size(), 29u);
  EXPECT_EQ(f[0], 3.5);
  EXPECT_EQ(f[9], 0);  // extremes, and the shares at them
  EXPECT_EQ(f[10], 7);
  EXPECT_NEAR(f[11], std::log(1 / 8.0 + 0.01), 1e-6);
  EXPECT_NEAR(f[12], std::log(1 / 8.0 + 0.01), 1e-6);
  for (std::size_t i = 13; i < 18; ++i) EXPECT_NEAR(f[i], std::log(1.01), 1e-6);  // the gradient is 1 everywhere
  EXPECT_NEAR(f[18], std::log(0.01), 1e-6);                                       // and nowhere 0
  EXPECT_NEAR(f[19], std::log(2.01), 1e-6);                                       // means of 2 x 2 and of 4 x 4
  EXPECT_NEAR(f[20], std::log(4.01), 1e-6);
  // The variance is 5.25; along W shifted by one (6 5 + 5 4 + ...) / 7 = 3.5, along H all of it.
  double shifted = 0;
  for (int x = 0; x < 7; ++x) shifted += (x - 3.5) * (x - 2.5) / 7;
  EXPECT_NEAR(f[21], (shifted / 5.25 + 1) / 2, 1e-4);
  EXPECT_EQ(f[24], 0);  // nothing is left that is shifted by 8
  EXPECT_NEAR(f[25], -1, 1e-4);
  EXPECT_NEAR(f[26], 1, 1e-4);
  EXPECT_NEAR(f[27], 3.5, 1e-9);  // the border of one pixel
  const double squares = (8 * (0 + 49) + 2.0 * (1 + 4 + 9 + 16 + 25 + 36)) / 28 - 3.5 * 3.5;
  EXPECT_NEAR(f[28], std::log(std::sqrt(squares) + 0.01), 1e-6);
  const std::vector<double> flat = gate_features(Tensor({1, 1, 1, 8, 8}, 2.0F));
  EXPECT_NEAR(flat[18], std::log(1.01), 1e-9);
  EXPECT_EQ(gate_features(Tensor({1, 1, 1, 1, 1}, 2.0F)).size(), 29u);
  Tensor colored({1, 3, 1, 8, 8}, 2.0F);
  std::fill_n(colored.values.begin(), 64, 5.0F);
  const std::vector<double> c = gate_features(colored);
  ASSERT_EQ(c.size(), 29u + 3 * 2 + 2);
  EXPECT_NEAR(c[0], 3, 1e-6);
  EXPECT_NEAR(c[29], 5, 1e-6);
  EXPECT_NEAR(c[31], 2, 1e-6);
  EXPECT_NEAR(c[33], std::log(3.01), 1e-6);
  EXPECT_NEAR(c[36], std::log(0.01), 1e-6);
}

}  // namespace
