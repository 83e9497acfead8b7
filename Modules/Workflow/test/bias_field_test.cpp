// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "channel_filters.h"

namespace oncotome::workflow {
namespace {

// A ball of two tissues: a checkerboard of 10 mm.
Volume<float> tissues() {
  Geometry grid;
  grid.size = {64, 64, 64};
  grid.spacing_mm = {2, 2, 2};
  Volume<float> v(grid);
  for (std::int64_t z = 0; z < 64; ++z)
    for (std::int64_t y = 0; y < 64; ++y)
      for (std::int64_t x = 0; x < 64; ++x)
        if ((x - 32) * (x - 32) + (y - 32) * (y - 32) + (z - 32) * (z - 32) < 28 * 28)
          v.at(x, y, z) = (x / 5 + y / 5 + z / 5) % 2 == 0 ? 100.0F : 160.0F;
  return v;
}

// Coefficient of variation of the ratio to the truth.
double unevenness(const Volume<float>& volume, const Volume<float>& truth) {
  double sum = 0, squares = 0, count = 0;
  for (std::size_t i = 0; i < truth.voxels.size(); ++i) {
    if (truth.voxels[i] == 0) continue;
    const double ratio = static_cast<double>(volume.voxels[i]) / static_cast<double>(truth.voxels[i]);
    sum += ratio;
    squares += ratio * ratio;
    ++count;
  }
  const double mean = sum / count;
  return std::sqrt(squares / count - mean * mean) / mean;
}

TEST(BiasField, A_known_field_is_found_and_divided_out) {
  const Volume<float> truth = tissues();
  Volume<float> volume = truth;
  for (std::int64_t z = 0; z < 64; ++z)
    for (std::int64_t y = 0; y < 64; ++y)
      for (std::int64_t x = 0; x < 64; ++x)
        volume.at(x, y, z) *= static_cast<float>(std::exp(0.3 * std::sin(0.05 * static_cast<double>(x - 32)) +
                                                          0.2 * std::cos(0.06 * static_cast<double>(y + z - 64))));
  const double before = unevenness(volume, truth);
  const double variation = correct_bias_field(volume, Job());
  const double after = unevenness(volume, truth);
  RecordProperty("before", std::to_string(before));
  RecordProperty("after", std::to_string(after));
  EXPECT_LT(after, 0.4 * before) << before << " " << after;
  EXPECT_NEAR(variation, before, 0.4 * before);
}

TEST(BiasField, A_cancel_ends_it) {
  Volume<float> volume = tissues();
  const Job job([](std::string_view, double) { throw Error(ErrorCode::cancelled, "cancelled"); });
  EXPECT_THROW(correct_bias_field(volume, job), Error);
}

}  // namespace
}  // namespace oncotome::workflow
