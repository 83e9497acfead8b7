// SPDX-License-Identifier: Apache-2.0
#include "phantom.h"

#include <algorithm>
#include <cmath>

#include "anatomy.h"
#include "oncotome/core/error.h"
#include "tumors.h"

namespace oncotome::testing {

namespace {

constexpr int kChannels = 4;
using Signal = std::array<double, kChannels>;

// FLAIR, T1, T1ce, T2.
constexpr Signal kFluid{110, 170, 175, 960}, kGray{430, 430, 440, 570}, kWhite{345, 600, 610, 400},
    kNucleus{400, 490, 505, 480}, kEdema{680, 365, 375, 770}, kCore{330, 265, 280, 850}, kEnhancing{590, 420, 930, 640};

// Binomial smoothing inside the brain only: the background stays 0 and does not darken the edge.
void smooth_inside(std::vector<float>& image, const std::vector<std::uint8_t>& brain, const Geometry& g) {
  const std::int64_t strides[3] = {1, g.size[0], g.size[0] * g.size[1]};
  for (int axis = 0; axis < 3; ++axis) {
    std::vector<float> out(image.size(), 0.0F);
    for (std::size_t n = 0; n < image.size(); ++n) {
      if (!brain[n]) continue;
      // The brain never touches the border of the grid.
      const std::size_t before = n - static_cast<std::size_t>(strides[axis]),
                        after = n + static_cast<std::size_t>(strides[axis]);
      double sum = 2.0 * image[n], weight = 2;
      for (const std::size_t m : {before, after}) {
        if (!brain[m]) continue;
        sum += image[m];
        weight += 1;
      }
      out[n] = static_cast<float>(sum / weight);
    }
    image.swap(out);
  }
}

// Keeps the largest 26-connected part among the voxels that hold `tumor`; the rest is no tumor.
void keep_largest_part(std::vector<std::uint8_t>& owner, std::vector<std::uint8_t>& truth, std::uint8_t tumor,
                       const Geometry& g) {
  std::vector<std::uint8_t> seen(owner.size(), 0);
  std::vector<std::size_t> largest;
  for (std::size_t start = 0; start < owner.size(); ++start) {
    if (owner[start] != tumor || seen[start]) continue;
    std::vector<std::size_t> part{start};
    seen[start] = 1;
    for (std::size_t next = 0; next < part.size(); ++next) {
      for (int step = 0; step < 27; ++step) {
        const std::int64_t m = static_cast<std::int64_t>(part[next]) + (step % 3 - 1) +
                               g.size[0] * ((step / 3 % 3 - 1) + g.size[1] * (step / 9 - 1));
        const auto n = static_cast<std::size_t>(m);
        if (owner[n] != tumor || seen[n]) continue;
        seen[n] = 1;
        part.push_back(n);
      }
    }
    if (part.size() > largest.size()) largest.swap(part);
  }
  std::fill(seen.begin(), seen.end(), std::uint8_t{0});
  for (const std::size_t n : largest) seen[n] = 1;
  for (std::size_t n = 0; n < owner.size(); ++n) {
    if (owner[n] == tumor && !seen[n]) owner[n] = truth[n] = 0;
  }
}

// Contrast differs a little from scanner to scanner.
Signal varied(const Signal& signal, Random& random) {
  Signal out = signal;
  for (double& s : out) s *= random.uniform(0.93, 1.07);
  return out;
}

}  // namespace

Phantom make_phantom(const PhantomOptions& options) {
  if (options.tumors < -1 || options.tumors > 3 || !(options.spacing_mm >= 0.5 && options.spacing_mm <= 4)) {
    throw Error(ErrorCode::usage, "a phantom has 0 to 3 tumors and voxels of 0.5 to 4 mm");
  }
  Random random(options.seed);
  const int count = options.tumors >= 0 ? options.tumors : random.integer(1, 3);
  const Anatomy anatomy(random);
  const std::vector<Tumor> tumors = place_tumors(random, anatomy, count);

  Geometry g;
  const Vec3 view_mm{192, 224, 160};
  for (int a = 0; a < 3; ++a) {
    g.size[a] = std::llround(view_mm[a] / options.spacing_mm);
    g.spacing_mm[a] = options.spacing_mm;
    g.origin_mm[a] = -0.5 * static_cast<double>(g.size[a] - 1) * options.spacing_mm;
  }

  Phantom phantom;
  phantom.truth = LabelVolume(g);
  Volume<float>* channels[kChannels] = {&phantom.flair, &phantom.t1, &phantom.t1ce, &phantom.t2};
  for (Volume<float>* channel : channels) *channel = Volume<float>(g);

  std::vector<std::uint8_t> brain(g.voxel_count(), 0), owner(g.voxel_count(), 0);
  std::vector<Tissue> tissues(g.voxel_count());
  std::size_t n = 0;
  for (std::int64_t z = 0; z < g.size[2]; ++z) {
    for (std::int64_t y = 0; y < g.size[1]; ++y) {
      for (std::int64_t x = 0; x < g.size[0]; ++x, ++n) {
        const Vec3 p = g.position_mm({static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        if (anatomy.depth_mm(p) <= 0) continue;
        brain[n] = 1;
        Vec3 q = p;
        for (const Tumor& tumor : tumors) q = tumor.unpushed(q);
        tissues[n] = anatomy.tissue(q);
        for (std::size_t t = 0; t < tumors.size(); ++t) {
          const std::uint8_t label = tumors[t].label(p, tissues[n].gray);
          if (label == 0 || (label == 2 && tissues[n].fluid > 0.5)) continue;
          phantom.truth.voxels[n] = label;
          owner[n] = static_cast<std::uint8_t>(t + 1);
        }
      }
    }
  }
  for (std::size_t t = 0; t < tumors.size(); ++t) {
    keep_largest_part(owner, phantom.truth.voxels, static_cast<std::uint8_t>(t + 1), g);
  }

  const Signal fluid = varied(kFluid, random), gray = varied(kGray, random), white = varied(kWhite, random),
               nucleus = varied(kNucleus, random), edema = varied(kEdema, random), core = varied(kCore, random),
               enhancing = varied(kEnhancing, random);
  for (int c = 0; c < kChannels; ++c) {
    const Noise bias(random.next()), texture(random.next());
    const double gain = random.uniform(0.7, 1.5), deviation = gain * random.uniform(12, 24);
    std::vector<float>& image = channels[c]->voxels;
    for (n = 0; n < image.size(); ++n) {
      if (!brain[n]) continue;
      const Tissue& t = tissues[n];
      double s = t.fluid * fluid[c] + t.gray * gray[c] + t.white * white[c] + t.nucleus * nucleus[c];
      switch (phantom.truth.voxels[n]) {
        case 1:
          s = core[c];
          break;
        case 2:
          s = 0.15 * s + 0.85 * edema[c];
          break;
        case 4:
          s = enhancing[c];
          break;
        default:
          break;
      }
      image[n] = static_cast<float>(s);
    }
    smooth_inside(image, brain, g);
    n = 0;
    for (std::int64_t z = 0; z < g.size[2]; ++z) {
      for (std::int64_t y = 0; y < g.size[1]; ++y) {
        for (std::int64_t x = 0; x < g.size[0]; ++x, ++n) {
          if (!brain[n]) continue;
          const Vec3 p = g.position_mm({static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
          const double field = gain * (1 + 0.13 * bias(p, 90) + 0.035 * texture(p, 9));
          const double real = field * image[n] + deviation * random.normal(), imaginary = deviation * random.normal();
          image[n] = static_cast<float>(
              std::clamp(std::floor(std::sqrt(real * real + imaginary * imaginary) + 0.5), 1.0, 4095.0));
        }
      }
    }
  }
  return phantom;
}

}  // namespace oncotome::testing
