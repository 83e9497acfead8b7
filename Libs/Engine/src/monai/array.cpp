// SPDX-License-Identifier: Apache-2.0
#include "array.h"

#include <algorithm>
#include <cmath>

#include "oncotome/core/parallel.h"

namespace oncotome::engine::monai {
namespace {

Dhw size_of(const Tensor& t) { return {t.shape[1], t.shape[2], t.shape[3]}; }

/// Where a sample lies along one axis: two voxels (-1: outside, worth zero) and the weight of the second.
struct Tap {
  std::int64_t first, second;
  double weight;
};

std::vector<Tap> taps(std::int64_t n, std::int64_t m, double step, double start, const Resampled& how) {
  const auto N = static_cast<double>(n), M = static_cast<double>(m);
  // The same roundings as torch's: coordinates go from -1 to 1.
  const double scale = 2 / N * step * (M / 2), shift = 2 / N * (step * ((M - 1) / 2) + start) + (1 / N - 1);
  std::vector<Tap> out;
  for (std::int64_t j = 0; j < m; ++j) {
    const double part = 2 / std::max(1.0, M - 1);
    double base = m == 1      ? (how.align_corners ? 0 : -1)
                  : 2 * j < m ? -1 + part * static_cast<double>(j)
                              : 1 - part * (M - 1 - static_cast<double>(j));
    if (!how.align_corners) base = base * (M - 1) / M;
    const double g = base * scale + shift;
    double p = how.align_corners ? (g + 1) / 2 * (N - 1) : ((g + 1) * N - 1) / 2;
    if (!how.zeros_outside) p = std::clamp(p, 0.0, N - 1);
    const auto inside = [&](double i) { return i >= 0 && i < N ? static_cast<std::int64_t>(i) : -1; };
    if (how.nearest)
      out.push_back({inside(std::nearbyint(p)), -1, 0});
    else
      out.push_back({inside(std::floor(p)), inside(std::floor(p) + 1), p - std::floor(p)});
  }
  return out;
}

// Index in [0,n) that stands for i, or -1 for the constant.
std::int64_t edge_index(std::int64_t i, std::int64_t n, Edge edge) {
  if (i >= 0 && i < n) return i;
  switch (edge) {
    case Edge::constant:
      return -1;
    case Edge::replicate:
      return std::clamp<std::int64_t>(i, 0, n - 1);
    case Edge::reflect:
      return i < 0 ? std::min(-i, n - 1) : std::max<std::int64_t>(2 * (n - 1) - i, 0);
    case Edge::circular:
      return ((i % n) + n) % n;
  }
  return -1;
}

}  // namespace

Tensor reorder(const Tensor& source, const Reordered& how) {
  const Dhw in = size_of(source);
  const Dhw strides{in[1] * in[2], in[2], 1};
  Dhw size, stride;
  std::int64_t origin = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t from = how.from[a];
    size[a] = in[from];
    stride[a] = how.flip[a] ? -strides[from] : strides[from];
    if (how.flip[a]) origin += strides[from] * (in[from] - 1);
  }
  Tensor out({source.shape[0], size[0], size[1], size[2]});
  parallel_for(0, source.shape[0] * size[0], [&](std::int64_t plane) {
    const std::int64_t c = plane / size[0], x = plane % size[0];
    float* to = out.values.data() + plane * size[1] * size[2];
    const float* from = source.values.data() + c * in[0] * in[1] * in[2] + origin + x * stride[0];
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t z = 0; z < size[2]; ++z) *to++ = from[y * stride[1] + z * stride[2]];
  });
  return out;
}

Tensor shift(const Tensor& source, const Dhw& offset, const Dhw& size, Edge edge, float value) {
  const Dhw in = size_of(source);
  Tensor out({source.shape[0], size[0], size[1], size[2]}, value);
  std::vector<std::int64_t> column(static_cast<std::size_t>(size[2]));
  for (std::int64_t z = 0; z < size[2]; ++z)
    column[static_cast<std::size_t>(z)] = edge_index(z + offset[2], in[2], edge);
  for (std::int64_t c = 0; c < source.shape[0]; ++c)
    for (std::int64_t x = 0; x < size[0]; ++x)
      for (std::int64_t y = 0; y < size[1]; ++y) {
        const std::int64_t from_x = edge_index(x + offset[0], in[0], edge),
                           from_y = edge_index(y + offset[1], in[1], edge);
        if (from_x < 0 || from_y < 0) continue;
        const float* from = source.values.data() + ((c * in[0] + from_x) * in[1] + from_y) * in[2];
        float* to = out.values.data() + ((c * size[0] + x) * size[1] + y) * size[2];
        for (std::size_t z = 0; z < column.size(); ++z)
          if (column[z] >= 0) to[z] = from[column[z]];
      }
  return out;
}

Tensor resample(const Tensor& source, const Dhw& size, const Resampled& how) {
  const Dhw in = size_of(source);
  std::array<std::vector<Tap>, 3> tap;
  for (std::size_t a = 0; a < 3; ++a) tap[a] = taps(in[a], size[a], how.step[a], how.start[a], how);
  Tensor out({source.shape[0], size[0], size[1], size[2]});
  parallel_for(0, source.shape[0] * size[0], [&](std::int64_t plane) {
    const Tap& x = tap[0][static_cast<std::size_t>(plane % size[0])];
    const float* channel = source.values.data() + plane / size[0] * in[0] * in[1] * in[2];
    float* to = out.values.data() + plane * size[1] * size[2];
    for (const Tap& y : tap[1]) {
      std::array<const float*, 4> row{};
      std::array<double, 4> weight{};
      std::size_t rows = 0;
      const auto add = [&](std::int64_t i, std::int64_t j, double w) {
        if (i < 0 || j < 0) return;
        row[rows] = channel + (i * in[1] + j) * in[2];
        weight[rows++] = w;
      };
      add(x.first, y.first, (1 - x.weight) * (1 - y.weight));
      add(x.first, y.second, (1 - x.weight) * y.weight);
      add(x.second, y.first, x.weight * (1 - y.weight));
      add(x.second, y.second, x.weight * y.weight);
      for (const Tap& z : tap[2]) {
        double sum = 0;
        for (std::size_t r = 0; r < rows; ++r)
          sum += weight[r] * ((z.first < 0 ? 0 : row[r][z.first] * (1 - z.weight)) +
                              (z.second < 0 ? 0 : row[r][z.second] * z.weight));
        *to++ = static_cast<float>(sum);
      }
    }
  });
  return out;
}

Tensor invert(Tensor channels, const History& history, bool nearest) {
  for (auto step = history.rbegin(); step != history.rend(); ++step) {
    if (const auto* reordered = std::get_if<Reordered>(&*step)) {
      Reordered back{};
      for (std::size_t a = 0; a < 3; ++a) {
        back.from[reordered->from[a]] = a;
        back.flip[reordered->from[a]] = reordered->flip[a];
      }
      channels = reorder(channels, back);
    } else if (const auto* shifted = std::get_if<Shifted>(&*step)) {
      const Dhw& o = shifted->offset;
      channels = shift(channels, {-o[0], -o[1], -o[2]}, shifted->source_size, Edge::constant, 0);
    } else {
      Resampled back = std::get<Resampled>(*step);
      for (std::size_t a = 0; a < 3; ++a) {
        back.step[a] = 1 / back.step[a];
        back.start[a] *= -back.step[a];
      }
      // MONAI's "nearest_interp" forgets align_corners.
      if (nearest) back.align_corners = false;
      back.nearest = back.nearest || nearest;
      channels = resample(channels, back.source_size, back);
    }
  }
  return channels;
}

}  // namespace oncotome::engine::monai
