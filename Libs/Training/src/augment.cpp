// SPDX-License-Identifier: Apache-2.0
#include "augment.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "oncotome/core/axes.h"

namespace oncotome::training {
namespace {

using engine::Dhw;
using engine::Tensor;
using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

constexpr Matrix kIdentity = {Vector{1, 0, 0}, Vector{0, 1, 0}, Vector{0, 0, 1}};

Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix c{};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 3; ++k) c[i][j] += a[i][k] * b[k][j];
  return c;
}

Dhw grid_of(const Tensor& image) { return {image.shape[axes::D], image.shape[axes::H], image.shape[axes::W]}; }

/// A smooth random field within -1 and 1: the mean of products of sine waves of up to one and a half periods an axis.
class Waves {
 public:
  Waves(const Dhw& size, Draws& draws) {
    constexpr double kPi = 3.141592653589793;
    for (auto& wave : waves_)
      for (std::size_t a = 0; a < 3; ++a) {
        const double step = 2 * kPi * draws.uniform(0.25, 1.5) / static_cast<double>(size[a]);
        const double phase = draws.uniform(0, 2 * kPi);
        for (std::int64_t i = 0; i < size[a]; ++i)
          wave[a].push_back(size[a] == 1 ? 1 : std::sin(step * static_cast<double>(i) + phase));
      }
  }

  double at(std::int64_t z, std::int64_t y, std::int64_t x) const {
    double sum = 0;
    for (const auto& wave : waves_)
      sum += wave[0][static_cast<std::size_t>(z)] * wave[1][static_cast<std::size_t>(y)] *
             wave[2][static_cast<std::size_t>(x)];
    return sum / static_cast<double>(waves_.size());
  }

 private:
  std::array<std::array<std::vector<double>, 3>, 3> waves_;
};

/// From a voxel of the output, seen from its center, to one of the source, seen from `center`.
struct Transform {
  Matrix matrix = kIdentity;
  Vector center{};
  std::vector<Waves> bend;  ///< Of each axis that has more than one voxel, the last ones; empty: straight.
  Vector reach{};           ///< Of the bend, in voxels.
};

// The turn of the plane of two axes.
Matrix turn(std::size_t a, std::size_t b, double radians) {
  Matrix m = kIdentity;
  m[a][a] = m[b][b] = std::cos(radians);
  m[a][b] = -std::sin(radians);
  m[b][a] = std::sin(radians);
  return m;
}

// Where the patch's center lies in a larger grid.
Vector patch_center(const Example& example, const Dhw& from, const Dhw& size, const Augmentation& how, Draws& draws) {
  Vector center;
  const bool on_foreground = draws.chance(how.crop_foreground);
  std::size_t chosen = example.mask.size();
  if (on_foreground) {
    const auto found = static_cast<std::size_t>(
        std::count_if(example.mask.begin(), example.mask.end(), [](std::uint8_t v) { return v != 0; }));
    std::size_t left = found == 0 ? 0 : draws.index(found) + 1;
    for (chosen = 0; left > 0; ++chosen)
      if (example.mask[chosen] != 0) --left;
    chosen = found == 0 ? example.mask.size() : chosen - 1;
  }
  auto rest = static_cast<std::int64_t>(chosen);
  for (std::size_t a = 3; a-- > 0;) {
    const double half = (static_cast<double>(size[a]) - 1) / 2, last = static_cast<double>(from[a]) - 1 - half;
    const auto voxel = static_cast<double>(rest % from[a]);
    rest /= from[a];
    const double anywhere = half + draws.uniform() * (last - half);
    center[a] = chosen < example.mask.size() ? std::clamp(voxel, half, last) : std::round(anywhere - half) + half;
  }
  return center;
}

Transform random_transform(const Example& example, const Dhw& from, const Dhw& size, const Augmentation& how,
                           Draws& draws) {
  constexpr double kDegree = 0.017453292519943295;
  Transform t;
  t.center = patch_center(example, from, size, how, draws);
  const std::size_t first = size[0] == 1 ? 1 : 0;
  for (std::size_t a = first; a < 3; ++a)
    for (std::size_t b = a + 1; b < 3; ++b) {
      t.matrix = t.matrix * turn(a, b, draws.uniform(-how.rotation_degrees, how.rotation_degrees) * kDegree);
      Matrix shear = kIdentity;
      shear[a][b] = std::tan(draws.uniform(-how.shear_degrees, how.shear_degrees) * kDegree);
      t.matrix = t.matrix * shear;
    }
  const double scale = draws.uniform(how.scale.first, how.scale.second);
  for (std::size_t a = first; a < 3; ++a) {
    t.center[a] += draws.uniform(-how.shift, how.shift) * static_cast<double>(size[a]);
    for (std::size_t b = first; b < 3; ++b) t.matrix[b][a] /= scale;
  }
  for (const int axis : how.flip_axes)
    if (draws.chance(0.5))
      for (std::size_t b = 0; b < 3; ++b) t.matrix[b][static_cast<std::size_t>(axis)] *= -1;
  for (std::size_t a = first; a < 3 && how.elastic > 0; ++a) {
    t.bend.emplace_back(size, draws);
    t.reach[a] = how.elastic * static_cast<double>(size[a]);
  }
  return t;
}

/// Two neighbors along an axis and the second one's share.
struct Between {
  std::int64_t low, high;
  float share;

  Between(double at, std::int64_t extent) {
    const double inside = std::clamp(at, 0.0, static_cast<double>(extent - 1));
    low = static_cast<std::int64_t>(inside);
    high = std::min(low + 1, extent - 1);
    share = static_cast<float>(inside - static_cast<double>(low));
  }
};

void resample(Example& example, const Dhw& size, const Transform& t) {
  const Dhw from = grid_of(example.image);
  const std::int64_t channels = example.image.shape[axes::C], plane = from[1] * from[2], volume = from[0] * plane;
  Tensor out({1, channels, size[0], size[1], size[2]});
  std::vector<std::uint8_t> mask(example.mask.empty() ? 0 : static_cast<std::size_t>(size[0] * size[1] * size[2]));
  const std::int64_t out_volume = size[0] * size[1] * size[2];
  const auto half = [&](std::size_t a) { return (static_cast<double>(size[a]) - 1) / 2; };
  std::int64_t v = 0;
  for (std::int64_t z = 0; z < size[0]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[2]; ++x, ++v) {
        const Vector o = {static_cast<double>(z) - half(0), static_cast<double>(y) - half(1),
                          static_cast<double>(x) - half(2)};
        Vector at = t.center;
        for (std::size_t a = 0; a < 3; ++a)
          at[a] += t.matrix[a][0] * o[0] + t.matrix[a][1] * o[1] + t.matrix[a][2] * o[2];
        for (std::size_t i = 0, a = 3 - t.bend.size(); a < 3; ++i, ++a) at[a] += t.reach[a] * t.bend[i].at(z, y, x);
        const Between d(at[0], from[0]), h(at[1], from[1]), w(at[2], from[2]);
        const float* source = example.image.values.data();
        for (std::int64_t c = 0; c < channels; ++c, source += volume) {
          const auto row = [&](std::int64_t zz, std::int64_t yy) {
            const float* r = source + zz * plane + yy * from[2];
            return r[w.low] + w.share * (r[w.high] - r[w.low]);
          };
          const auto slice = [&](std::int64_t zz) {
            const float low = row(zz, h.low);
            return low + h.share * (row(zz, h.high) - low);
          };
          float value = slice(d.low);
          if (d.share > 0) value += d.share * (slice(d.high) - value);
          out.values[static_cast<std::size_t>(c * out_volume + v)] = value;
        }
        if (!mask.empty()) {
          const auto near = [](const Between& b) { return b.share < 0.5F ? b.low : b.high; };
          mask[static_cast<std::size_t>(v)] =
              example.mask[static_cast<std::size_t>(near(d) * plane + near(h) * from[2] + near(w))];
        }
      }
  example.image = std::move(out);
  example.mask = std::move(mask);
}

bool moves(const Augmentation& how) {
  return !how.flip_axes.empty() || how.rotation_degrees > 0 || how.shear_degrees > 0 || how.shift > 0 ||
         how.elastic > 0 || how.scale != Range{1, 1};
}

// A gain that varies smoothly over the image, as a receive coil's, the same in all channels.
void shade(Tensor& image, double strength, Draws& draws) {
  const Dhw size = grid_of(image);
  const Waves field(size, draws);
  const auto channels = static_cast<std::size_t>(image.shape[axes::C]);
  const std::size_t voxels = image.values.size() / channels;
  std::size_t v = 0;
  for (std::int64_t z = 0; z < size[0]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[2]; ++x, ++v) {
        const auto gain = static_cast<float>(std::exp(strength * field.at(z, y, x)));
        for (std::size_t c = 0; c < channels; ++c) image.values[c * voxels + v] *= gain;
      }
}

void change_intensities(Tensor& image, const Augmentation& how, Draws& draws) {
  const auto gamma = static_cast<float>(draws.uniform(how.gamma.first, how.gamma.second));
  const auto contrast = static_cast<float>(draws.uniform(how.contrast.first, how.contrast.second));
  const auto shift = static_cast<float>(draws.uniform(-how.brightness, how.brightness));
  const auto deviation = static_cast<float>(draws.uniform(0, how.noise));
  if (how.bias_field > 0) shade(image, how.bias_field, draws);
  double sum = 0;
  for (float& v : image.values) {
    if (gamma != 1.0F) v = std::pow(std::max(v, 0.0F), gamma);
    sum += v;
  }
  const auto mean = static_cast<float>(sum / static_cast<double>(image.values.size()));
  for (float& v : image.values) v = (v - mean) * contrast + mean + shift;
  if (deviation > 0)
    for (float& v : image.values) v += deviation * draws.noise();
}

void cut_out(Tensor& image, const Augmentation& how, Draws& draws) {
  const Dhw size = grid_of(image);
  Dhw begin, end;
  for (std::size_t a = 0; a < 3; ++a) {
    const double extent = static_cast<double>(size[a]) * (size[a] == 1 ? 1 : how.cutout * draws.uniform());
    const double start = draws.uniform() * (static_cast<double>(size[a]) - extent);
    begin[a] = static_cast<std::int64_t>(start);
    end[a] = std::min(size[a], static_cast<std::int64_t>(start + extent));
  }
  double sum = 0;
  for (const float v : image.values) sum += v;
  const auto mean = static_cast<float>(sum / static_cast<double>(image.values.size()));
  for (std::int64_t c = 0; c < image.shape[axes::C]; ++c)
    for (std::int64_t z = begin[0]; z < end[0]; ++z)
      for (std::int64_t y = begin[1]; y < end[1]; ++y) {
        float* row = &image.values[static_cast<std::size_t>(((c * size[0] + z) * size[1] + y) * size[2])];
        std::fill(row + begin[2], row + end[2], mean);
      }
}

// Between the network's values and 0..1, per channel: v * scale + offset.
template <class F>
void per_channel(Tensor& image, const engine::ImagePreparation& how, F&& f) {
  const std::size_t channels = static_cast<std::size_t>(image.shape[axes::C]);
  const std::size_t voxels = image.values.size() / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    const auto mean = static_cast<float>(how.mean[std::min(c, how.mean.size() - 1)]);
    const auto std = static_cast<float>(how.std[std::min(c, how.std.size() - 1)]);
    for (std::size_t v = c * voxels; v < (c + 1) * voxels; ++v) image.values[v] = f(image.values[v], mean, std);
  }
}

}  // namespace

void augment(Example& example, const Dhw& size, const Augmentation& how, const engine::ImagePreparation& image,
             Draws& draws) {
  const Dhw from = grid_of(example.image);
  if (moves(how) || from != size) resample(example, size, random_transform(example, from, size, how, draws));
  const bool changes = how.gamma != Range{1, 1} || how.contrast != Range{1, 1} || how.brightness > 0 || how.noise > 0 ||
                       how.bias_field > 0;
  if (changes) {
    per_channel(example.image, image, [](float v, float mean, float std) { return v * std + mean; });
    change_intensities(example.image, how, draws);
    per_channel(example.image, image, [](float v, float mean, float std) { return (v - mean) / std; });
  }
  if (how.cutout > 0) cut_out(example.image, how, draws);
}

void cut_center(Example& example, const Dhw& size) {
  const Dhw from = grid_of(example.image);
  Transform t;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::int64_t before = (from[a] - size[a]) / 2;
    t.center[a] = static_cast<double>(before) + (static_cast<double>(size[a]) - 1) / 2;
  }
  resample(example, size, t);
}

}  // namespace oncotome::training
