// SPDX-License-Identifier: Apache-2.0
#include "surface_distance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "surface_elements.h"

namespace oncotome::engine {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr std::uint16_t kFar = std::numeric_limits<std::uint16_t>::max();

bool is_surface(std::uint8_t code) { return code != 0 && code != 255; }

/// The corners between voxels, one more than voxels along each axis, with the 2x2x2 voxels round each as bits.
std::vector<std::uint8_t> corner_codes(const Mask& mask, const Index3& size) {
  const std::int64_t w = size[0] + 1, h = size[1] + 1;
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(w * h * (size[2] + 1)), 0);
  std::size_t voxel = 0;
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[0]; ++x, ++voxel) {
        if (!mask[voxel]) continue;
        for (int bit = 0; bit < 8; ++bit)
          codes[static_cast<std::size_t>(x + (bit & 1) + w * (y + (bit >> 1 & 1) + h * (z + (bit >> 2))))] |=
              static_cast<std::uint8_t>(1 << bit);
      }
  return codes;
}

std::array<double, 256> element_areas(const Vec3& spacing) {
  const double unit[3] = {spacing[1] * spacing[0] / 8, spacing[2] * spacing[0] / 8, spacing[2] * spacing[1] / 8};
  std::array<double, 256> areas{};
  for (std::size_t code = 0; code < 256; ++code)
    for (const auto& n : kNormals[kClassOf[code < 128 ? code : 255 - code]])
      areas[code] += std::hypot(n[0] * unit[0], n[1] * unit[1], n[2] * unit[2]);
  return areas;
}

/// One pass of the exact Euclidean distance transform along a line (Felzenszwalb and Huttenlocher,
/// doi 10.4086/toc.2012.v008a019): the lower envelope of parabolas over squared distances.
class LinePass {
 public:
  LinePass(std::size_t length, double spacing) : spacing_(spacing), apex_(length), begin_(length) {}

  void run(const double* in, double* out, std::size_t length) {
    std::size_t count = 0;
    for (std::size_t q = 0; q < length; ++q) {
      if (in[q] == kNone) continue;
      double from = -kNone;
      while (count > 0 && (from = meeting(in, apex_[count - 1], q)) <= begin_[count - 1]) --count;
      if (count == 0) from = -kNone;
      apex_[count] = q;
      begin_[count++] = from;
    }
    for (std::size_t q = 0, k = 0; q < length; ++q) {
      if (count == 0) {
        out[q] = kNone;
        continue;
      }
      while (k + 1 < count && begin_[k + 1] < static_cast<double>(q)) ++k;
      const double d = (static_cast<double>(q) - static_cast<double>(apex_[k])) * spacing_;
      out[q] = in[apex_[k]] + d * d;
    }
  }

 private:
  double meeting(const double* in, std::size_t left, std::size_t right) const {
    const auto p = static_cast<double>(left), q = static_cast<double>(right);
    return ((in[right] - in[left]) / (spacing_ * spacing_) + q * q - p * p) / (2 * (q - p));
  }

  double spacing_;
  std::vector<std::size_t> apex_;
  std::vector<double> begin_;
};

// Steps along z from each corner to the nearest one of the surface; kFar where there is none.
std::vector<std::uint16_t> steps_along_z(const std::vector<std::uint8_t>& sites, std::size_t slice,
                                         std::size_t slices) {
  std::vector<std::uint16_t> steps(sites.size());
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const std::uint16_t before = i < slice ? kFar : steps[i - slice];
    steps[i] = is_surface(sites[i]) ? 0 : before == kFar ? kFar : static_cast<std::uint16_t>(before + 1);
  }
  for (std::size_t i = slice * (slices - 1); i-- > 0;)
    if (steps[i + slice] != kFar) steps[i] = std::min(steps[i], static_cast<std::uint16_t>(steps[i + slice] + 1));
  return steps;
}

std::vector<SurfaceElement> distances(const std::vector<std::uint8_t>& from, const std::vector<std::uint8_t>& to,
                                      const Index3& corners, const Vec3& spacing, const Job& job) {
  const auto w = static_cast<std::size_t>(corners[0]), h = static_cast<std::size_t>(corners[1]);
  const auto slices = static_cast<std::size_t>(corners[2]);
  const std::vector<std::uint16_t> steps = steps_along_z(to, w * h, slices);
  const std::array<double, 256> areas = element_areas(spacing);
  LinePass along_x(w, spacing[0]), along_y(h, spacing[1]);
  std::vector<double> squared(w * h), line(std::max(w, h)), passed(std::max(w, h));
  std::vector<SurfaceElement> elements;
  for (std::size_t z = 0; z < slices; ++z) {
    job.check();
    const std::uint8_t* codes = from.data() + z * w * h;
    if (std::none_of(codes, codes + w * h, is_surface)) continue;
    for (std::size_t x = 0; x < w; ++x) {
      for (std::size_t y = 0; y < h; ++y) {
        const std::uint16_t n = steps[(z * h + y) * w + x];
        const double d = n * spacing[2];
        line[y] = n == kFar ? kNone : d * d;
      }
      along_y.run(line.data(), passed.data(), h);
      for (std::size_t y = 0; y < h; ++y) squared[y * w + x] = passed[y];
    }
    for (std::size_t y = 0; y < h; ++y) {
      const std::uint8_t* row = codes + y * w;
      if (std::none_of(row, row + w, is_surface)) continue;
      along_x.run(squared.data() + y * w, passed.data(), w);
      for (std::size_t x = 0; x < w; ++x)
        if (is_surface(row[x])) elements.push_back({std::sqrt(passed[x]), areas[row[x]]});
    }
  }
  std::sort(elements.begin(), elements.end(), [](const SurfaceElement& a, const SurfaceElement& b) {
    return a.distance_mm != b.distance_mm ? a.distance_mm < b.distance_mm : a.area_mm2 < b.area_mm2;
  });
  return elements;
}

}  // namespace

SurfaceDistances surface_distances(const Mask& a, const Mask& b, const Index3& size, const Vec3& spacing_mm,
                                   const Job& job) {
  const std::vector<std::uint8_t> of_a = corner_codes(a, size), of_b = corner_codes(b, size);
  const Index3 corners{size[0] + 1, size[1] + 1, size[2] + 1};
  return {distances(of_a, of_b, corners, spacing_mm, job), distances(of_b, of_a, corners, spacing_mm, job)};
}

}  // namespace oncotome::engine
