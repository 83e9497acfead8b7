// SPDX-License-Identifier: Apache-2.0
#include "augment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace oncotome::training {
namespace {

const engine::ImagePreparation kPlain = [] {
  engine::ImagePreparation p;
  p.mean = {0};
  p.std = {1};
  return p;
}();

// Values 0..1 that tell the voxel, and a mask where they are above a half.
Example ramp(const engine::Dhw& size) {
  Example e;
  e.image = engine::Tensor({1, 1, size[0], size[1], size[2]});
  const std::size_t count = e.image.values.size();
  for (std::size_t v = 0; v < count; ++v) {
    e.image.values[v] = static_cast<float>(v) / static_cast<float>(count);
    e.mask.push_back(v >= count / 2 ? 1 : 0);
  }
  return e;
}

Draws draws(std::uint64_t index = 0) { return {1, Purpose::augmentation, {0, index}}; }

TEST(Augment, Nothing_asked_is_nothing_done) {
  Example e = ramp({2, 5, 6});
  const Example before = e;
  Draws d = draws();
  augment(e, {2, 5, 6}, {}, kPlain, d);
  EXPECT_EQ(e.image.values, before.image.values);
  EXPECT_EQ(e.mask, before.mask);
}

TEST(Augment, A_flip_reverses_an_axis_in_half_of_the_draws) {
  Augmentation how;
  how.flip_axes = {2};
  int flipped = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    Example e = ramp({1, 4, 7});
    const Example before = e;
    Draws d = draws(i);
    augment(e, {1, 4, 7}, how, kPlain, d);
    if (e.image.values == before.image.values) continue;
    ++flipped;
    for (std::size_t y = 0; y < 4; ++y)
      for (std::size_t x = 0; x < 7; ++x) {
        ASSERT_EQ(e.image.values[y * 7 + x], before.image.values[y * 7 + 6 - x]);
        ASSERT_EQ(e.mask[y * 7 + x], before.mask[y * 7 + 6 - x]);
      }
  }
  EXPECT_NEAR(flipped, 100, 25);
}

TEST(Augment, Image_and_mask_move_together) {
  for (const engine::Dhw size : {engine::Dhw{1, 40, 40}, engine::Dhw{12, 24, 24}}) {
    Augmentation how;
    how.rotation_degrees = 20;
    how.shear_degrees = 10;
    how.scale = {0.8, 1.2};
    how.shift = 0.1;
    how.elastic = 0.05;
    Example e = ramp(size);
    // A box, so that the image says the mask but for the edge.
    for (std::size_t v = 0; v < e.mask.size(); ++v) {
      const auto y = static_cast<std::int64_t>(v) / size[2] % size[1], x = static_cast<std::int64_t>(v) % size[2];
      e.mask[v] = y > size[1] / 4 && y < 3 * size[1] / 4 && x > size[2] / 4 ? 1 : 0;
      e.image.values[v] = e.mask[v];
    }
    const Example before = e;
    Draws d = draws(3);
    augment(e, size, how, kPlain, d);
    EXPECT_NE(e.mask, before.mask);
    std::size_t differ = 0;
    for (std::size_t v = 0; v < e.mask.size(); ++v) {
      const float value = e.image.values[v];
      if ((value > 0.9F && e.mask[v] == 0) || (value < 0.1F && e.mask[v] == 1)) ++differ;
    }
    EXPECT_EQ(differ, 0U);
    Example again = before;
    Draws same = draws(3);
    augment(again, size, how, kPlain, same);
    EXPECT_EQ(again.image.values, e.image.values);
  }
}

TEST(Augment, A_bend_displaces_smoothly_and_no_further_than_its_share_of_the_extent) {
  Augmentation how;
  how.elastic = 0.1;
  double furthest = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Example e = ramp({1, 40, 40});
    for (std::size_t v = 0; v < 1600; ++v) e.image.values[v] = static_cast<float>(v % 40);
    Draws d = draws(i);
    augment(e, {1, 40, 40}, how, kPlain, d);
    for (std::size_t v = 0; v < 1600; ++v) {
      const double moved = e.image.values[v] - static_cast<double>(v % 40);
      furthest = std::max(furthest, std::abs(moved));
      const auto inside = [](float value) { return value > 0 && value < 39; };  // beyond it the edge's value goes on
      if (v % 40 == 0 || !inside(e.image.values[v]) || !inside(e.image.values[v - 1])) continue;
      // A wave of one and a half periods rises by 2 pi 1.5 / 40 of its height a voxel at most.
      ASSERT_LE(std::abs(e.image.values[v] - e.image.values[v - 1] - 1), 4 * 0.236 + 1e-5);
    }
  }
  EXPECT_LE(furthest, 4.0 + 1e-5);
  EXPECT_GT(furthest, 1.0);
}

TEST(Augment, A_bias_field_is_a_smooth_gain_of_at_most_its_logarithm_and_the_same_in_all_channels) {
  Augmentation how;
  how.bias_field = 0.5;
  double strongest = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Example e;
    e.image = engine::Tensor({1, 2, 6, 20, 20});
    std::fill(e.image.values.begin(), e.image.values.end(), 0.5F);
    Draws d = draws(i);
    augment(e, {6, 20, 20}, how, kPlain, d);
    for (std::size_t v = 0; v < 2400; ++v) {
      ASSERT_EQ(e.image.values[v], e.image.values[2400 + v]);
      const double gain = std::log(e.image.values[v] / 0.5);
      strongest = std::max(strongest, std::abs(gain));
      if (v % 20 > 0) {
        ASSERT_LE(std::abs(gain - std::log(e.image.values[v - 1] / 0.5)), 0.5 * 0.472 + 1e-5);
      }
    }
  }
  EXPECT_LE(strongest, 0.5 + 1e-5);
  EXPECT_GT(strongest, 0.1);
}

TEST(Augment, Intensities_change_between_0_and_1_whatever_the_mean) {
  engine::ImagePreparation shifted;
  shifted.mean = {0.5};
  shifted.std = {0.25};
  Augmentation how;
  how.gamma = {2, 2};
  Example plain = ramp({1, 8, 8}), other = ramp({1, 8, 8});
  for (float& v : other.image.values) v = (v - 0.5F) / 0.25F;
  Draws a = draws(), b = draws();
  augment(plain, {1, 8, 8}, how, kPlain, a);
  augment(other, {1, 8, 8}, how, shifted, b);
  for (std::size_t v = 0; v < 64; ++v) {
    const float before = static_cast<float>(v) / 64;
    EXPECT_NEAR(plain.image.values[v], before * before, 1e-6);
    EXPECT_NEAR(other.image.values[v] * 0.25F + 0.5F, before * before, 1e-6);
  }
}

TEST(Augment, Patches_lie_round_the_foreground_where_that_is_asked) {
  Augmentation how;
  how.crop_foreground = 1;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Example e = ramp({1, 64, 64});
    std::fill(e.mask.begin(), e.mask.end(), 0);
    e.mask[10 * 64 + 50] = 1;
    Draws d = draws(i);
    augment(e, {1, 16, 16}, how, kPlain, d);
    EXPECT_EQ(std::accumulate(e.mask.begin(), e.mask.end(), 0), 1);
  }
  Example e = ramp({1, 64, 64});
  const Example before = e;
  cut_center(e, {1, 16, 16});
  EXPECT_EQ(e.image.values[0], before.image.values[24 * 64 + 24]);
}

TEST(Augment, Noise_has_its_deviation_and_a_cutout_its_size) {
  Augmentation how;
  how.noise = 1;
  double squares = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    Example e = ramp({1, 16, 16});
    const Example before = e;
    Draws d = draws(i);
    augment(e, {1, 16, 16}, how, kPlain, d);
    for (std::size_t v = 0; v < 256; ++v) {
      const double difference = e.image.values[v] - before.image.values[v];
      squares += difference * difference;
    }
  }
  // The deviation is even in 0..1, so the mean square is a third.
  EXPECT_NEAR(squares / (50 * 256), 1.0 / 3, 0.12);
  Augmentation cut;
  cut.cutout = 0.5;
  std::size_t largest = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    Example e = ramp({1, 16, 16});
    const Example before = e;
    Draws d = draws(i);
    augment(e, {1, 16, 16}, cut, kPlain, d);
    std::size_t changed = 0;
    for (std::size_t v = 0; v < 256; ++v) changed += e.image.values[v] != before.image.values[v] ? 1 : 0;
    largest = std::max(largest, changed);
  }
  EXPECT_LE(largest, 64U);
  EXPECT_GT(largest, 20U);
}

}  // namespace
}  // namespace oncotome::training
