// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/preparation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "oncotome/engine/noise.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;

ModelPackage package_with(const Preparation& preparation, std::size_t channels = 1) {
  ModelPackage package;
  for (std::size_t i = 0; i < channels; ++i)
    package.channels.push_back({std::string(1, static_cast<char>('A' + i)), {}, {}});
  package.preparation = preparation;
  return package;
}

Volume<float> block() {
  Geometry grid;
  grid.size = {6, 5, 4};
  Volume<float> v(grid);
  v.at(2, 2, 1) = 1;
  v.at(3, 2, 1) = 3;
  v.at(3, 3, 2) = -7;
  return v;
}

Prepared run(const ModelPackage& package, const Volume<float>& v, const LabelVolume* mask = nullptr) {
  return prepare(package, {{v.geometry, v.voxels.data()}}, mask, 0, Job());
}

TEST(Preparation, Crop_keeps_the_foreground_with_its_margin_and_its_place_in_the_patient) {
  Preparation p;
  p.foreground = 0;
  p.crop_margin = 1;
  const Volume<float> v = block();
  const Prepared out = run(package_with(p), v);
  EXPECT_EQ(out.channels.shape, (std::vector<std::int64_t>{1, 3, 3, 4}));
  EXPECT_EQ(out.grid.origin_mm, v.geometry.position_mm({1, 1, 0}));
  EXPECT_FLOAT_EQ(out.channels.values[1 + 4 * (1 + 3 * 1)], 1);
}

TEST(Preparation, The_z_score_of_a_channel_is_over_its_positive_voxels_and_leaves_zeros_to_the_background) {
  Preparation p;
  p.zscore = Preparation::Statistics::channel;
  const Volume<float> v = block();
  const Prepared out = run(package_with(p), v);
  // Positive voxels are 1 and 3: mean 2, deviation 1.
  EXPECT_FLOAT_EQ(out.channels.values[v.offset(2, 2, 1)], -1);
  EXPECT_FLOAT_EQ(out.channels.values[v.offset(3, 2, 1)], 1);
  EXPECT_FLOAT_EQ(out.channels.values[v.offset(3, 3, 2)], -9);
  EXPECT_FLOAT_EQ(out.channels.values[v.offset(0, 0, 0)], 0);
}

TEST(Preparation, A_mask_decides_what_is_background_where_zero_is_not) {
  Preparation p;
  p.foreground = 0;
  p.zscore = Preparation::Statistics::channel;
  const Volume<float> v = block();
  LabelVolume mask(v.geometry);
  mask.at(3, 3, 2) = mask.at(2, 2, 1) = 1;  // -7 and 1: mean -3, deviation 4
  const Prepared out = run(package_with(p), v, &mask);
  EXPECT_FLOAT_EQ(out.channels.values[v.offset(3, 3, 2)], -1);
  EXPECT_FLOAT_EQ(out.channels.values[v.offset(2, 2, 1)], 1);
  EXPECT_FLOAT_EQ(out.channels.values[v.offset(3, 2, 1)], 0);
}

TEST(Preparation, Input_that_a_model_cannot_take_is_refused_with_the_reason) {
  Preparation p;
  p.foreground = 0;
  p.zscore = Preparation::Statistics::foreground;
  p.foreground_volume_ml = {300, 2200};
  const auto refused = [&](const Volume<float>& v, const Preparation& preparation) {
    try {
      run(package_with(preparation), v);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::precondition_unmet);
      return std::string(e.what());
    }
    return std::string("nothing was refused");
  };
  EXPECT_NE(refused(block(), p).find("300 to 2200 ml"), std::string::npos);
  p.foreground_volume_ml.reset();
  Volume<float> v = block();
  v.voxels[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(refused(v, p).find("not finite"), std::string::npos);
  v.voxels.assign(v.voxels.size(), 4.0F);
  EXPECT_NE(refused(v, p).find("one value everywhere"), std::string::npos);
  v.voxels.assign(v.voxels.size(), 0.0F);
  EXPECT_NE(refused(v, p).find("no voxel above zero"), std::string::npos);
}

TEST(Preparation, A_channel_that_ends_inside_the_body_is_doubted_or_refused) {
  Preparation p;
  p.foreground = 0;
  const auto filled = [](std::int64_t slices) {
    Geometry grid;
    grid.size = {10, 10, slices};
    return Volume<float>(grid, 1.0F);
  };
  const Volume<float> body = filled(20);
  const auto with_slices = [&](std::int64_t slices) {
    const Volume<float> part = filled(slices);
    return prepare(package_with(p, 2), {{body.geometry, body.voxels.data()}, {part.geometry, part.voxels.data()}},
                   nullptr, 0, Job());
  };
  EXPECT_TRUE(with_slices(20).doubts.empty());
  ASSERT_EQ(with_slices(19).doubts.size(), 1u);
  EXPECT_NE(with_slices(19).doubts[0].find("channel B leaves 5 %"), std::string::npos);
  EXPECT_THROW(with_slices(18), Error);
}

TEST(Noise, It_has_mean_zero_deviation_one_and_depends_on_seed_stream_and_index_alone) {
  const Noise noise(1, 2);
  double sum = 0, squares = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double v = noise(static_cast<std::uint64_t>(i));
    sum += v;
    squares += v * v;
  }
  EXPECT_NEAR(sum / kCount, 0, 4 / std::sqrt(kCount));
  EXPECT_NEAR(squares / kCount, 1, 4 * std::sqrt(2.0 / kCount));
  EXPECT_EQ(noise(7), Noise(1, 2)(7));
  EXPECT_NE(noise(7), Noise(1, 3)(7));
  EXPECT_NE(noise(7), Noise(2, 2)(7));
}

}  // namespace
