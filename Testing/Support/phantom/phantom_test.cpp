// SPDX-License-Identifier: Apache-2.0
#include "phantom.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"

namespace oncotome::testing {
namespace {

std::string digest(const Phantom& p) {
  Sha256 sha;
  for (const auto* c : {&p.flair, &p.t1, &p.t1ce, &p.t2}) {
    sha.update(c->voxels.data(), c->voxels.size() * sizeof(float));
  }
  sha.update(p.truth.voxels.data(), p.truth.voxels.size());
  std::string hex;
  for (const std::uint8_t byte : sha.finish()) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

PhantomOptions coarse(std::uint64_t seed, int tumors) {
  PhantomOptions options;
  options.seed = seed;
  options.tumors = tumors;
  options.spacing_mm = 4;
  return options;
}

int parts_of(const LabelVolume& truth) {
  const Index3& size = truth.geometry.size;
  std::vector<bool> seen(truth.voxels.size(), false);
  int parts = 0;
  for (std::size_t start = 0; start < truth.voxels.size(); ++start) {
    if (truth.voxels[start] == 0 || seen[start]) continue;
    ++parts;
    std::vector<std::size_t> stack{start};
    seen[start] = true;
    while (!stack.empty()) {
      const auto n = static_cast<std::int64_t>(stack.back());
      stack.pop_back();
      const std::int64_t x = n % size[0], y = n / size[0] % size[1], z = n / (size[0] * size[1]);
      for (std::int64_t k = z - 1; k <= z + 1; ++k) {
        for (std::int64_t j = y - 1; j <= y + 1; ++j) {
          for (std::int64_t i = x - 1; i <= x + 1; ++i) {
            if (i < 0 || j < 0 || k < 0 || i >= size[0] || j >= size[1] || k >= size[2]) continue;
            const std::size_t m = truth.offset(i, j, k);
            if (truth.voxels[m] == 0 || seen[m]) continue;
            seen[m] = true;
            stack.push_back(m);
          }
        }
      }
    }
  }
  return parts;
}

TEST(Phantom, SameSeedGivesTheSameBytesAndAnotherSeedOthers) {
  const std::string first = digest(make_phantom(coarse(7, 2)));
  EXPECT_EQ(first, digest(make_phantom(coarse(7, 2))));
  EXPECT_NE(first, digest(make_phantom(coarse(8, 2))));
}

// The demonstration net was trained on these phantoms; GCC and Clang at any level of optimization agree.
TEST(Phantom, IsStillTheOneThatTheDemonstrationNetWasTrainedOn) {
  EXPECT_EQ(digest(make_phantom(coarse(7, 2))), "d631de65e752f8e9ea03a2e8763a3c3dd081def48fd84a0c291b48824310d995");
}

TEST(Phantom, HasAsManySeparateTumorsAsAskedFor) {
  for (int tumors = 0; tumors <= 3; ++tumors) {
    for (std::uint64_t seed = 40; seed < 44; ++seed) {
      PhantomOptions options = coarse(seed, tumors);
      options.spacing_mm = 3;
      EXPECT_EQ(parts_of(make_phantom(options).truth), tumors) << "seed " << seed;
    }
  }
}

TEST(Phantom, LetsTheSeedChooseOneToThreeTumors) {
  std::set<int> counts;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) counts.insert(parts_of(make_phantom(coarse(seed, -1)).truth));
  EXPECT_EQ(counts, (std::set<int>{1, 2, 3}));
}

TEST(Phantom, HoldsEveryTumorPartAndOnlyKnownLabelsInsideTheBrain) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const Phantom p = make_phantom(coarse(seed, 2));
    std::size_t count[5] = {};
    for (std::size_t n = 0; n < p.truth.voxels.size(); ++n) {
      const int label = p.truth.voxels[n];
      ASSERT_TRUE(label <= 2 || label == 4);
      ++count[label];
      ASSERT_TRUE(label == 0 || p.flair.voxels[n] > 0);
    }
    const double ml = p.truth.geometry.voxel_volume_mm3() / 1000;
    EXPECT_GT(ml * static_cast<double>(count[1]), 0.5);
    EXPECT_GT(ml * static_cast<double>(count[4]), 2);
    EXPECT_GT(ml * static_cast<double>(count[2]), 5);
    EXPECT_LT(ml * static_cast<double>(count[1] + count[2] + count[4]), 250);
  }
}

TEST(Phantom, IsABrainOfHumanSizeWithWholeNumbersAndAnEmptyBackground) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const Phantom p = make_phantom(coarse(seed, 1));
    std::size_t brain = 0;
    for (std::size_t n = 0; n < p.flair.voxels.size(); ++n) {
      const bool inside = p.flair.voxels[n] > 0;
      brain += inside;
      for (const auto* c : {&p.flair, &p.t1, &p.t1ce, &p.t2}) {
        ASSERT_EQ(c->voxels[n] > 0, inside);
        ASSERT_EQ(c->voxels[n], std::floor(c->voxels[n]));
        ASSERT_LE(c->voxels[n], 4095);
      }
    }
    // The usual range of adult brains, 1.0 to 1.6 liters.
    EXPECT_GT(static_cast<double>(brain) * p.flair.geometry.voxel_volume_mm3(), 1.0e6);
    EXPECT_LT(static_cast<double>(brain) * p.flair.geometry.voxel_volume_mm3(), 1.6e6);
  }
}

TEST(Phantom, KeepsItsFieldOfViewAtAnySpacing) {
  const Geometry g = make_phantom(coarse(1, 0)).truth.geometry;
  EXPECT_EQ(g.size, (Index3{48, 56, 40}));
  EXPECT_DOUBLE_EQ(g.position_mm({23.5, 27.5, 19.5})[0], 0);
  EXPECT_THROW(make_phantom(coarse(1, 4)), Error);
}

TEST(Phantom, ShowsEdemaBrightInFlairAndOnlyTheRimBrightAfterContrast) {
  PhantomOptions options;
  options.seed = 3;
  options.tumors = 1;
  const Phantom p = make_phantom(options);
  double flair[5] = {}, t1ce[5] = {};
  std::size_t count[5] = {};
  for (std::size_t n = 0; n < p.truth.voxels.size(); ++n) {
    if (p.flair.voxels[n] == 0) continue;
    const int label = p.truth.voxels[n];
    flair[label] += p.flair.voxels[n];
    t1ce[label] += p.t1ce.voxels[n];
    ++count[label];
  }
  for (int label = 0; label < 5; ++label) {
    flair[label] /= static_cast<double>(count[label]);
    t1ce[label] /= static_cast<double>(count[label]);
  }
  EXPECT_GT(flair[2], 1.3 * flair[0]);
  for (const int other : {0, 1, 2}) EXPECT_GT(t1ce[4], 1.3 * t1ce[other]) << other;
}

}  // namespace
}  // namespace oncotome::testing
