// SPDX-License-Identifier: Apache-2.0
#include "contours.h"

#include <algorithm>
#include <cstddef>

namespace oncotome::dicom {
namespace {

// Right, down, left, up in an image whose rows run downwards.
constexpr std::array<std::array<int, 2>, 4> kStep{{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}};
constexpr int kUp = 3;

/// Walks the edges between inside and outside, the inside at the right hand.
class Tracer {
 public:
  Tracer(const std::vector<std::uint8_t>& pixels, std::int64_t columns, std::int64_t rows)
      : pixels_(pixels), columns_(columns), rows_(rows), passed_(pixels.size(), 0) {}

  std::vector<Contour> run() {
    std::vector<Contour> found;
    for (std::int64_t y = 0; y < rows_; ++y)
      for (std::int64_t x = 0; x < columns_; ++x)
        if (inside(x, y) && !inside(x, y - 1) && !(passed_[at(x, y)] >> kUp & 1)) found.push_back(walk(x, y));
    return found;
  }

 private:
  std::size_t at(std::int64_t x, std::int64_t y) const { return static_cast<std::size_t>(x + columns_ * y); }
  bool inside(std::int64_t x, std::int64_t y) const {
    return x >= 0 && y >= 0 && x < columns_ && y < rows_ && pixels_[at(x, y)];
  }

  Contour walk(std::int64_t x, std::int64_t y) {
    Contour contour;
    int out = kUp;  // where the outside is, seen from the pixel
    while (!(passed_[at(x, y)] >> out & 1)) {
      passed_[at(x, y)] = static_cast<std::uint8_t>(passed_[at(x, y)] | 1 << out);
      const auto& o = kStep[static_cast<std::size_t>(out)];
      contour.push_back({static_cast<double>(x) + 0.5 * o[0], static_cast<double>(y) + 0.5 * o[1]});
      const int ahead = (out + 1) % 4;
      const auto& f = kStep[static_cast<std::size_t>(ahead)];
      if (!inside(x + f[0], y + f[1])) {
        out = ahead;
      } else if (!inside(x + f[0] + o[0], y + f[1] + o[1])) {
        x += f[0];
        y += f[1];
      } else {
        x += f[0] + o[0];
        y += f[1] + o[1];
        out = (ahead + 2) % 4;
      }
    }
    return contour;
  }

  const std::vector<std::uint8_t>& pixels_;
  std::int64_t columns_, rows_;
  std::vector<std::uint8_t> passed_;
};

/// Positive for a contour that goes clockwise on the screen: round an island.
double doubled_area(const Contour& contour) {
  double area = 0;
  for (std::size_t i = 0; i < contour.size(); ++i) {
    const auto &a = contour[i], &b = contour[(i + 1) % contour.size()];
    area += a[0] * b[1] - b[0] * a[1];
  }
  return area;
}

/// The place in a contour where a channel to the left from `from` ends; nothing in it when `best` is nearer.
void find_nearest(const Contour& contour, const std::array<double, 2>& from, double& best, std::size_t island,
                  std::size_t& found_island, std::size_t& found_point) {
  for (std::size_t i = 0; i < contour.size(); ++i)
    if (contour[i][1] == from[1] && contour[i][0] < from[0] && contour[i][0] > best) {
      best = contour[i][0];
      found_island = island;
      found_point = i;
    }
}

/// From its leftmost point straight to the left is the inside, up to the island's contour or to a hole that was joined.
void join(const Contour& hole, std::vector<Contour>& islands) {
  const auto leftmost = std::min_element(hole.begin(), hole.end());
  double best = -1;
  std::size_t island = 0, point = 0;
  for (std::size_t n = 0; n < islands.size(); ++n) find_nearest(islands[n], *leftmost, best, n, island, point);
  Contour channel(leftmost, hole.end());
  channel.insert(channel.end(), hole.begin(), leftmost);
  channel.push_back(*leftmost);
  channel.push_back(islands[island][point]);
  islands[island].insert(islands[island].begin() + static_cast<std::ptrdiff_t>(point) + 1, channel.begin(),
                         channel.end());
}

Contour without_straight_points(const Contour& contour) {
  Contour kept;
  for (std::size_t i = 0; i < contour.size(); ++i) {
    const auto &a = contour[(i + contour.size() - 1) % contour.size()], &b = contour[i],
               &c = contour[(i + 1) % contour.size()];
    if ((b[0] - a[0]) * (c[1] - b[1]) != (b[1] - a[1]) * (c[0] - b[0])) kept.push_back(b);
  }
  return kept;
}

}  // namespace

std::vector<Contour> contours_of(const std::vector<std::uint8_t>& pixels, std::int64_t columns, std::int64_t rows) {
  std::vector<Contour> islands, holes;
  for (Contour& contour : Tracer(pixels, columns, rows).run())
    (doubled_area(contour) > 0 ? islands : holes).push_back(std::move(contour));
  std::sort(holes.begin(), holes.end(), [](const Contour& a, const Contour& b) {
    return *std::min_element(a.begin(), a.end()) < *std::min_element(b.begin(), b.end());
  });
  for (const Contour& hole : holes) join(hole, islands);
  for (Contour& island : islands) island = without_straight_points(island);
  return islands;
}

}  // namespace oncotome::dicom
