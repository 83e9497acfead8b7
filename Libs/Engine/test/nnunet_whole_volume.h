// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "../src/nnunet/accumulators.h"
#include "../src/nnunet/export.h"
#include "../src/nnunet/predict.h"

/// nnU-Net's sliding window and export over a whole volume at once, in plain loops after its text: what the slab-wise
/// one is compared with.
namespace oncotome::engine::nnunet {

/// The nearest half of a value, by its definition.
inline double half(double value) {
  if (value == 0) return 0;
  int exponent = 0;
  std::frexp(value, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent - 11, -24)), out = std::nearbyint(value / unit) * unit;
  return std::abs(out) > 65504 ? std::copysign(std::numeric_limits<double>::infinity(), value) : out;
}

inline double noise(std::uint64_t i) {
  i = (i + 0x9E3779B97F4A7C15U) * 0xBF58476D1CE4E5B9U;
  i = (i ^ i >> 31) * 0x94D049BB133111EBU;
  return static_cast<double>(i >> 40) * 0x1p-24 - 0.5;
}

/// Logits that depend on what the tile shows and where in the tile it lies, so that neither padding, order nor mirrors
/// can be missed.
class Fake final : public Executable {
 public:
  explicit Fake(std::int64_t classes, double seed = 0) : classes_(classes), seed_(seed) {}
  Tensor run(const Tensor& in, const Job& job) const override {
    job.report("node", 0);
    const std::int64_t n = in.shape[2] * in.shape[3] * in.shape[4];
    Tensor out({1, classes_, in.shape[2], in.shape[3], in.shape[4]});
    for (std::int64_t k = 0; k < classes_; ++k)
      for (std::int64_t i = 0; i < n; ++i) {
        double value = 4 * noise(static_cast<std::uint64_t>(k * n + i) + static_cast<std::uint64_t>(seed_ * 1e6));
        for (std::int64_t c = 0; c < in.shape[1]; ++c)
          value += static_cast<double>(in.values[static_cast<std::size_t>(c * n + i)]) *
                   std::sin(static_cast<double>(3 * k + c) + seed_);
        out.values[static_cast<std::size_t>(k * n + i)] = static_cast<float>(value);
      }
    return out;
  }

 private:
  std::int64_t classes_;
  double seed_;
};

struct Trial {
  std::string name;
  Dhw size, patch, output;
  std::int64_t classes = 3, channels = 1;
  double step = 0.5;
  std::vector<int> mirrors{};
  std::size_t folds = 1;
  bool is_2d = false, regions = false, gaussian = true;
  Vec3 spacing{1, 1, 1}, target{1.5, 1.5, 1.5};
  Resampling resampling{};
  Accumulators accumulators = Accumulators::reference;
};

struct Setting {
  Plans plans;
  Configuration configuration;
  Case input;
  Prediction prediction;
  std::vector<Fake> networks;

  explicit Setting(const Trial& t) {
    plans.labels.entries.push_back({"background", {0}});
    for (std::int64_t k = 1; k < t.classes + (t.regions ? 1 : 0); ++k) {
      plans.labels.entries.push_back({"label " + std::to_string(k), {static_cast<int>(k)}});
      if (!t.regions) continue;
      plans.labels.entries.back().values.push_back(static_cast<int>(k + 1));
      plans.labels.regions_class_order.push_back(static_cast<int>(k));
    }
    configuration.patch_size = t.patch;
    configuration.network.dimensions = t.is_2d ? 2 : 3;
    configuration.resample_logits = t.resampling;
    input.data = Tensor({t.channels, t.size[0], t.size[1], t.size[2]});
    for (std::size_t i = 0; i < input.data.values.size(); ++i)
      input.data.values[i] = static_cast<float>(2 * std::sin(0.13 * static_cast<double>(i)) + noise(i));
    input.crop_size = t.output;
    input.crop_first = {1, 2, 3};
    input.shape = {t.output[0] + 2, t.output[1] + 2, t.output[2] + 5};
    input.spacing_mm = t.spacing;
    input.target_spacing_mm = t.target;
    for (std::size_t f = 0; f < t.folds; ++f) networks.emplace_back(t.classes, static_cast<double>(f));
    for (const Fake& network : networks) prediction.folds.push_back(&network);
    prediction.mirror_axes = t.mirrors;
    prediction.step = t.step;
    prediction.gaussian = t.gaussian;
    prediction.accumulators = t.accumulators;
  }
};

/// Logits [K,d,h,w] of the whole volume at once, as nnU-Net's text has it.
inline std::vector<double> whole_logits(const Trial& t, const Setting& s) {
  const bool halves = t.accumulators == Accumulators::reference;
  const auto round = [&](double value) {
    return halves ? half(value) : static_cast<double>(static_cast<float>(value));
  };
  Dhw padded{}, before{};
  for (std::size_t a = 0; a < 3; ++a) {
    padded[a] = std::max(t.size[a], t.patch[a]);
    before[a] = (padded[a] - t.size[a]) / 2;
  }
  const auto at = [](const Dhw& size, std::int64_t c, std::int64_t z, std::int64_t y, std::int64_t x) {
    return static_cast<std::size_t>(((c * size[0] + z) * size[1] + y) * size[2] + x);
  };
  std::vector<float> data(static_cast<std::size_t>(t.channels * padded[0] * padded[1] * padded[2]));
  for (std::int64_t c = 0; c < t.channels; ++c)
    for (std::int64_t z = 0; z < t.size[0]; ++z)
      for (std::int64_t y = 0; y < t.size[1]; ++y)
        for (std::int64_t x = 0; x < t.size[2]; ++x)
          data[at(padded, c, z + before[0], y + before[1], x + before[2])] =
              s.input.data.values[at(t.size, c, z, y, x)];

  std::array<std::vector<std::int64_t>, 3> starts;
  for (std::size_t a = 0; a < 3; ++a) {
    const auto last = static_cast<double>(padded[a] - t.patch[a]);
    const int steps = static_cast<int>(std::ceil(last / (static_cast<double>(t.patch[a]) * t.step))) + 1;
    if (t.is_2d && a == 0)
      for (std::int64_t z = 0; z < padded[0]; ++z) starts[0].push_back(z);
    else
      for (int i = 0; i < steps; ++i)
        starts[a].push_back(steps == 1 ? 0 : static_cast<std::int64_t>(std::nearbyint(last / (steps - 1) * i)));
  }
  const Tensor gaussian =
      t.gaussian ? window_importance(t.patch, t.is_2d) : Tensor({t.patch[0], t.patch[1], t.patch[2]}, 1);

  std::vector<double> mean(static_cast<std::size_t>(t.classes * padded[0] * padded[1] * padded[2]));
  for (std::size_t fold = 0; fold < t.folds; ++fold) {
    std::vector<double> logits(mean.size()), weights(mean.size() / static_cast<std::size_t>(t.classes));
    for (const std::int64_t sz : starts[0])
      for (const std::int64_t sy : starts[1])
        for (const std::int64_t sx : starts[2]) {
          const auto run = [&](const std::array<bool, 3>& flip) {
            Tensor tile({1, t.channels, t.patch[0], t.patch[1], t.patch[2]});
            const auto source = [&](std::int64_t z, std::int64_t y, std::int64_t x) {
              return Dhw{flip[0] ? t.patch[0] - 1 - z : z, flip[1] ? t.patch[1] - 1 - y : y,
                         flip[2] ? t.patch[2] - 1 - x : x};
            };
            for (std::int64_t c = 0; c < t.channels; ++c)
              for (std::int64_t z = 0; z < t.patch[0]; ++z)
                for (std::int64_t y = 0; y < t.patch[1]; ++y)
                  for (std::int64_t x = 0; x < t.patch[2]; ++x) {
                    const Dhw p = source(z, y, x);
                    tile.values[at(t.patch, c, z, y, x)] = data[at(padded, c, sz + p[0], sy + p[1], sx + p[2])];
                  }
            const Tensor out = s.networks[fold].run(tile, Job());
            Tensor back = out;
            for (std::int64_t k = 0; k < t.classes; ++k)
              for (std::int64_t z = 0; z < t.patch[0]; ++z)
                for (std::int64_t y = 0; y < t.patch[1]; ++y)
                  for (std::int64_t x = 0; x < t.patch[2]; ++x) {
                    const Dhw p = source(z, y, x);
                    back.values[at(t.patch, k, z, y, x)] = out.values[at(t.patch, k, p[0], p[1], p[2])];
                  }
            return back;
          };
          Tensor sum = run({});
          // itertools.combinations of the axes, written out for those that the trials have.
          std::vector<std::vector<int>> order;
          for (const int a : t.mirrors) order.push_back({a});
          for (std::size_t i = 0; i < t.mirrors.size(); ++i)
            for (std::size_t j = i + 1; j < t.mirrors.size(); ++j) order.push_back({t.mirrors[i], t.mirrors[j]});
          if (t.mirrors.size() == 3) order.push_back(t.mirrors);
          for (const auto& axes : order) {
            std::array<bool, 3> flip{};
            for (const int a : axes) flip[static_cast<std::size_t>(a)] = true;
            const Tensor more = run(flip);
            for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += more.values[i];
          }
          for (float& value : sum.values) value /= static_cast<float>(order.size() + 1);
          for (std::int64_t z = 0; z < t.patch[0]; ++z)
            for (std::int64_t y = 0; y < t.patch[1]; ++y)
              for (std::int64_t x = 0; x < t.patch[2]; ++x) {
                const float weight = gaussian.values[at(t.patch, 0, z, y, x)];
                double& total = weights[at(padded, 0, sz + z, sy + y, sx + x)];
                total = round(static_cast<float>(total) + weight);
                for (std::int64_t k = 0; k < t.classes; ++k) {
                  const float product = sum.values[at(t.patch, k, z, y, x)] * weight;
                  double& logit = logits[at(padded, k, sz + z, sy + y, sx + x)];
                  logit = round(static_cast<float>(logit) + product);
                }
              }
        }
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double value = round(static_cast<float>(logits[i]) / static_cast<float>(weights[i % weights.size()]));
      mean[i] = fold == 0 ? value : round(static_cast<float>(mean[i]) + static_cast<float>(value));
    }
  }
  std::vector<double> out;
  for (std::int64_t k = 0; k < t.classes; ++k)
    for (std::int64_t z = 0; z < t.size[0]; ++z)
      for (std::int64_t y = 0; y < t.size[1]; ++y)
        for (std::int64_t x = 0; x < t.size[2]; ++x) {
          const double value = mean[at(padded, k, z + before[0], y + before[1], x + before[2])];
          out.push_back(t.folds == 1 ? value : round(static_cast<float>(value) / static_cast<float>(t.folds)));
        }
  return out;
}

struct Two {
  std::int64_t index[2];
  double weight[2];
};

/// Logits [K,D,H,W] on the image's grid.
inline std::vector<double> whole_resampled(const Trial& t, const std::vector<double>& in) {
  if (t.size == t.output) return in;
  const bool torch = t.resampling.function == Resampling::Function::torch;
  int apart = -1;
  for (const Vec3* s : {&t.target, &t.spacing}) {
    const auto [least, most] = std::minmax_element(s->begin(), s->end());
    if (apart < 0 && *most / *least > 3) apart = static_cast<int>(most - s->begin());
  }
  const auto taps = [&](std::size_t a, std::int64_t k) -> Two {
    const std::int64_t n = t.size[a], m = t.output[a];
    if (torch) {
      const float scale = static_cast<float>(n) / static_cast<float>(m), place = static_cast<float>(k) + 0.5F;
      if (apart == static_cast<int>(a)) {
        const std::int64_t i = std::min(static_cast<std::int64_t>(place * scale), n - 1);
        return {{i, i}, {1, 0}};
      }
      const float c = std::max(0.0F, std::fma(scale, place, -0.5F));
      const auto i = static_cast<std::int64_t>(c);
      const float w = c - static_cast<float>(i);
      return {{i, std::min(i + 1, n - 1)}, {static_cast<double>(1 - w), static_cast<double>(w)}};
    }
    const double c = (static_cast<double>(k) + 0.5) * (static_cast<double>(n) / static_cast<double>(m)) - 0.5;
    const auto inside = [&](double i) { return std::clamp<std::int64_t>(static_cast<std::int64_t>(i), 0, n - 1); };
    if (apart == static_cast<int>(a) || t.resampling.order == 0) return {{inside(std::floor(c + 0.5)), 0}, {1, 0}};
    const double w = 1 - (c - std::floor(c));
    return {{inside(std::floor(c)), inside(std::floor(c) + 1)}, {w, 1 - w}};
  };
  std::vector<double> out;
  for (std::int64_t k = 0; k < t.classes; ++k)
    for (std::int64_t z = 0; z < t.output[0]; ++z)
      for (std::int64_t y = 0; y < t.output[1]; ++y)
        for (std::int64_t x = 0; x < t.output[2]; ++x) {
          const Two a = taps(0, z), b = taps(1, y), c = taps(2, x);
          const auto value = [&](int i, int j, int l) {
            return in[static_cast<std::size_t>(((k * t.size[0] + a.index[i]) * t.size[1] + b.index[j]) * t.size[2] +
                                               c.index[l])];
          };
          if (torch) {
            const auto lerp = [](float p, double wp, float q, double wq) {
              return std::fma(p, static_cast<float>(wp), q * static_cast<float>(wq));
            };
            const auto f = [&](int i, int j) {
              return lerp(static_cast<float>(value(i, j, 0)), c.weight[0], static_cast<float>(value(i, j, 1)),
                          c.weight[1]);
            };
            const auto g = [&](int i) { return lerp(f(i, 0), b.weight[0], f(i, 1), b.weight[1]); };
            out.push_back(static_cast<double>(lerp(g(0), a.weight[0], g(1), a.weight[1])));
            continue;
          }
          double sum = 0;
          for (int i = 0; i < 2; ++i)
            for (int j = 0; j < 2; ++j)
              for (int l = 0; l < 2; ++l) sum += value(i, j, l) * a.weight[i] * b.weight[j] * c.weight[l];
          out.push_back(t.accumulators == Accumulators::reference ? half(sum)
                                                                  : static_cast<double>(static_cast<float>(sum)));
        }
  return out;
}

inline std::vector<std::uint8_t> whole_labels(const Trial& t, const Setting& s, const std::vector<double>& logits) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(s.input.shape[0] * s.input.shape[1] * s.input.shape[2]));
  const std::size_t n = logits.size() / static_cast<std::size_t>(t.classes);
  std::size_t i = 0;
  for (std::int64_t z = 0; z < t.output[0]; ++z)
    for (std::int64_t y = 0; y < t.output[1]; ++y)
      for (std::int64_t x = 0; x < t.output[2]; ++x, ++i) {
        std::uint8_t label = 0;
        for (std::size_t k = 0, best = 0; k < static_cast<std::size_t>(t.classes); ++k) {
          if (t.regions) {
            if (1 / (1 + std::exp(-static_cast<float>(logits[k * n + i]))) > 0.5F)
              label = static_cast<std::uint8_t>(k + 1);
          } else if (logits[k * n + i] > logits[best * n + i]) {
            label = static_cast<std::uint8_t>(best = k);
          }
        }
        out[static_cast<std::size_t>(((z + 1) * s.input.shape[1] + y + 2) * s.input.shape[2] + x + 3)] = label;
      }
  return out;
}

}  // namespace oncotome::engine::nnunet
