// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "../src/nnunet/accumulators.h"
#include "../src/nnunet/export.h"
#include "../src/nnunet/predict.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;
using namespace oncotome::engine::nnunet;

/// The nearest half of a value, by its definition.
double half(double value) {
  if (value == 0) return 0;
  int exponent = 0;
  std::frexp(value, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent - 11, -24)), out = std::nearbyint(value / unit) * unit;
  return std::abs(out) > 65504 ? std::copysign(std::numeric_limits<double>::infinity(), value) : out;
}

double noise(std::uint64_t i) {
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
std::vector<double> whole_logits(const Trial& t, const Setting& s) {
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
std::vector<double> whole_resampled(const Trial& t, const std::vector<double>& in) {
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

std::vector<std::uint8_t> whole_labels(const Trial& t, const Setting& s, const std::vector<double>& logits) {
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

Resampling of(Resampling::Function function, int order = 1) {
  Resampling out;
  out.function = function;
  out.order = order;
  return out;
}

class EachTrial : public testing::TestWithParam<Trial> {};

TEST_P(EachTrial, The_window_slab_by_slab_gives_what_the_whole_volume_at_once_gives) {
  const Trial& t = GetParam();
  const Setting s(t);
  const std::vector<double> logits = whole_resampled(t, whole_logits(t, s));
  double last = -1;
  const Job job([&](std::string_view stage, double fraction) {
    EXPECT_EQ(stage, "segment");
    EXPECT_GE(fraction, last);
    last = fraction;
  });
  EXPECT_EQ(predict_labels(s.prediction, s.plans, s.configuration, s.input, job), whole_labels(t, s, logits));
  EXPECT_EQ(last, 1);
}

TEST_P(EachTrial, Probabilities_are_of_the_same_logits) {
  const Trial& t = GetParam();
  const Setting s(t);
  const std::vector<double> logits = whole_resampled(t, whole_logits(t, s));
  std::vector<float> probabilities;
  const auto labels = predict_labels(s.prediction, s.plans, s.configuration, s.input, Job(), &probabilities);
  const std::size_t voxels = labels.size(), n = logits.size() / static_cast<std::size_t>(t.classes);
  ASSERT_EQ(probabilities.size(), voxels * static_cast<std::size_t>(t.classes));
  EXPECT_EQ(probabilities[0], t.regions ? 0 : 1);
  if (t.classes > 1) {
    EXPECT_EQ(probabilities[voxels], 0);
  }
  std::size_t i = 0;
  for (std::int64_t z = 0; z < t.output[0]; ++z)
    for (std::int64_t y = 0; y < t.output[1]; ++y)
      for (std::int64_t x = 0; x < t.output[2]; ++x, ++i) {
        const auto voxel = static_cast<std::size_t>(((z + 1) * s.input.shape[1] + y + 2) * s.input.shape[2] + x + 3);
        double sum = 0;
        for (std::size_t k = 0; k < static_cast<std::size_t>(t.classes); ++k) sum += std::exp(logits[k * n + i]);
        for (std::size_t k = 0; k < static_cast<std::size_t>(t.classes); ++k) {
          const double logit = logits[k * n + i];
          ASSERT_NEAR(probabilities[k * voxels + voxel], t.regions ? 1 / (1 + std::exp(-logit)) : std::exp(logit) / sum,
                      1e-6);
          const float chosen = probabilities[(t.regions ? k : labels[voxel]) * voxels + voxel];
          ASSERT_LE(probabilities[k * voxels + voxel], chosen);
        }
      }
}

std::vector<Trial> trials() {
  const auto make = [](const char* name, Dhw size, Dhw patch, Dhw output, auto&& change) {
    Trial t{name, size, patch, output};
    change(t);
    return t;
  };
  const auto standard = Resampling::Function::standard;
  return {
      make("plain", {17, 15, 19}, {8, 8, 8}, {25, 23, 29}, [](Trial& t) { t.channels = 2; }),
      make("wide_steps", {21, 15, 19}, {8, 7, 9}, {25, 23, 29}, [](Trial& t) { t.step = 0.8; }),
      make("no_overlap", {21, 15, 19}, {8, 7, 9}, {13, 9, 29}, [](Trial& t) { t.step = 1; }),
      make("padding", {5, 9, 8}, {8, 12, 7}, {8, 14, 12},
           [](Trial& t) {
             t.mirrors = {0, 1, 2};
           }),
      make("padding_of_one_axis", {13, 4, 11}, {6, 9, 6}, {13, 4, 11}, [](Trial& t) { t.mirrors = {1}; }),
      make("mirrors", {11, 10, 9}, {6, 6, 8}, {16, 15, 14},
           [](Trial& t) {
             t.mirrors = {0, 1, 2};
           }),
      make("two_mirrors", {11, 10, 9}, {6, 6, 8}, {16, 15, 14},
           [](Trial& t) {
             t.mirrors = {0, 2};
           }),
      make("two_folds", {11, 10, 9}, {6, 6, 8}, {16, 15, 14}, [](Trial& t) { t.folds = 2; }),
      make("three_folds", {11, 10, 9}, {6, 6, 8}, {16, 15, 14}, [](Trial& t) { t.folds = 3; }),
      make("no_gaussian", {11, 10, 9}, {6, 6, 8}, {16, 15, 14}, [](Trial& t) { t.gaussian = false; }),
      make("one_class", {11, 10, 9}, {6, 6, 8}, {16, 15, 14}, [](Trial& t) { t.classes = 1; }),
      make("many_classes", {11, 10, 9}, {6, 6, 8}, {16, 15, 14}, [](Trial& t) { t.classes = 70; }),
      make("plane", {7, 18, 21}, {1, 12, 10}, {7, 27, 30},
           [](Trial& t) {
             t.is_2d = true;
             t.mirrors = {1, 2};
             t.spacing = {5, 1, 1};
             t.target = {5, 1.5, 1.5};
           }),
      make("apart_first", {9, 15, 13}, {6, 8, 8}, {17, 22, 20},
           [](Trial& t) {
             t.target = {6, 1.5, 1.5};
           }),
      make("apart_second", {13, 7, 11}, {6, 6, 6}, {20, 17, 12},
           [](Trial& t) {
             t.spacing = {1, 4, 1};
           }),
      make("apart_last", {9, 15, 13}, {6, 8, 8}, {17, 22, 20},
           [](Trial& t) {
             t.target = {1, 1, 3.5};
           }),
      make("apart_as_it_is", {9, 15, 13}, {6, 8, 8}, {9, 22, 20},
           [](Trial& t) {
             t.target = {6, 1.5, 1.5};
           }),
      make("same_grid", {17, 15, 19}, {8, 8, 8}, {17, 15, 19}, [](Trial&) {}),
      make("nearest", {9, 15, 13}, {6, 8, 8}, {17, 22, 20}, [&](Trial& t) { t.resampling = of(standard, 0); }),
      make("torch", {9, 15, 13}, {6, 8, 8}, {17, 22, 20},
           [](Trial& t) { t.resampling = of(Resampling::Function::torch); }),
      make("torch_apart", {9, 15, 13}, {6, 8, 8}, {17, 22, 20},
           [](Trial& t) {
             t.resampling = of(Resampling::Function::torch);
             t.target = {6, 1.5, 1.5};
           }),
      make("none", {9, 15, 13}, {6, 8, 8}, {9, 15, 13},
           [](Trial& t) { t.resampling = of(Resampling::Function::none); }),
      make("regions", {9, 15, 13}, {6, 8, 8}, {17, 22, 20}, [](Trial& t) { t.regions = true; }),
      make("one_region", {9, 15, 13}, {6, 8, 8}, {17, 22, 20},
           [](Trial& t) {
             t.regions = true;
             t.classes = 1;
           }),
      make("floats", {11, 10, 9}, {6, 6, 8}, {16, 15, 14},
           [](Trial& t) {
             t.accumulators = Accumulators::float32;
             t.folds = 2;
             t.mirrors = {0, 1};
           }),
      make("float_regions", {11, 10, 9}, {6, 6, 8}, {16, 15, 14},
           [](Trial& t) {
             t.accumulators = Accumulators::float32;
             t.regions = true;
           }),
  };
}

INSTANTIATE_TEST_SUITE_P(NnunetWindow, EachTrial, testing::ValuesIn(trials()),
                         [](const auto& trial) { return trial.param.name; });

/// Logits of few levels, so that ties abound, at grids whose weights make sums lie midway between halves.
TEST(NnunetExport, The_shortcut_changes_no_voxel) {
  for (const double unit : {0x1p-24, 1.0 / 1024, 1.0 / 64, 4.0})
    for (const double base : {0.0, 1.0, 30.0})
      for (const auto function : {Resampling::Function::standard, Resampling::Function::torch}) {
        Trial t{"", {7, 12, 11}, {7, 12, 11}, {10, 18, 17}, 5};
        t.resampling = of(function);
        const Setting s(t);
        std::vector<double> logits(5 * 7 * 12 * 11);
        for (std::size_t i = 0; i < logits.size(); ++i) {
          // Patches of one class that leads by a few steps, in between none does.
          const std::size_t k = i / (7 * 12 * 11), voxel = i % (7 * 12 * 11), x = voxel % 11;
          const double lead = x < 8 && k == (x < 4 ? 1 : 3) ? 2 * static_cast<double>(voxel / 11 % 4) : 0;
          logits[i] = half(base + unit * (std::floor(4 * noise(i)) + lead));
        }
        const auto expected = whole_labels(t, s, whole_resampled(t, logits));
        for (const bool shortcut : {false, true}) {
          Exporter exporter(s.plans, s.configuration, s.input, Accumulators::reference, nullptr);
          exporter.set_shortcut(shortcut);
          for (std::size_t z = 0; z < 7; ++z) {
            std::vector<float> slice;
            for (std::size_t y = 0; y < 12; ++y)
              for (std::size_t k = 0; k < 5; ++k)
                for (int x = -1; x <= 11; ++x)
                  slice.push_back(static_cast<float>(
                      logits[((k * 7 + z) * 12 + y) * 11 + static_cast<std::size_t>(std::clamp(x, 0, 10))]));
            exporter.push(std::move(slice));
          }
          ASSERT_EQ(exporter.take_labels(), expected) << unit << ' ' << base << ' ' << shortcut;
        }
      }
}

TEST(NnunetExport, What_does_not_run_slice_by_slice_is_refused) {
  const auto refused = [](const Trial& t) {
    const Setting s(t);
    try {
      Exporter(s.plans, s.configuration, s.input, Accumulators::reference, nullptr);
    } catch (const Error& error) {
      return error.code() == ErrorCode::model_unsupported;
    }
    return false;
  };
  Trial t{"", {8, 8, 8}, {8, 8, 8}, {9, 8, 8}};
  t.resampling = of(Resampling::Function::standard, 3);
  EXPECT_TRUE(refused(t));
  t.resampling = of(Resampling::Function::none);
  EXPECT_TRUE(refused(t));
  t.resampling = of(Resampling::Function::standard);
  EXPECT_FALSE(refused(t));
  t.target = {6, 1, 1};
  t.resampling.order_z = 1;
  EXPECT_TRUE(refused(t));
}

TEST(NnunetWindow, Cancel_ends_it_before_the_next_tile) {
  const Setting s({"", {40, 8, 8}, {8, 8, 8}, {40, 8, 8}});
  int reports = 0;
  Job* running = nullptr;
  Job job([&](std::string_view, double) {
    if (++reports == 3) running->cancel();
  });
  running = &job;
  try {
    predict_labels(s.prediction, s.plans, s.configuration, s.input, job);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
  EXPECT_EQ(reports, 3);
}

TEST(NnunetWindow, Logits_that_are_not_finite_or_not_of_the_shape_are_refused) {
  class Broken final : public Executable {
   public:
    explicit Broken(float value, std::int64_t classes = 3) : value_(value), classes_(classes) {}
    Tensor run(const Tensor& in, const Job&) const override {
      return Tensor({1, classes_, in.shape[2], in.shape[3], in.shape[4]}, value_);
    }

   private:
    float value_;
    std::int64_t classes_;
  };
  const auto code = [](const Broken& network, Accumulators accumulators) {
    Setting s({"", {8, 8, 8}, {8, 8, 8}, {8, 8, 8}});
    s.prediction.folds = {&network};
    s.prediction.accumulators = accumulators;
    try {
      predict_labels(s.prediction, s.plans, s.configuration, s.input, Job());
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::internal;
  };
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto accumulators : {Accumulators::reference, Accumulators::float32}) {
    EXPECT_EQ(code(Broken(infinity), accumulators), ErrorCode::result_not_finite);
    EXPECT_EQ(code(Broken(nan), accumulators), ErrorCode::result_not_finite);
    EXPECT_EQ(code(Broken(1, 2), accumulators), ErrorCode::weights_invalid);
  }
  // 10 times this passes half's range.
  EXPECT_EQ(code(Broken(7000), Accumulators::reference), ErrorCode::result_not_finite);
  EXPECT_EQ(code(Broken(7000), Accumulators::float32), ErrorCode::internal);
}

/// MiB that this process held at most since the last reset.
long greatest_memory(bool reset) {
  if (reset) std::ofstream("/proc/self/clear_refs") << 5;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stol(line.substr(6)) / 1024;
  return 0;
}

TEST(NnunetWindow, Memory_follows_the_depth_of_the_patch_not_of_the_volume) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer holds freed memory";
#endif
  // All logits of the volume would be 368 MiB as halves; those of one patch's depth are 29, the network's output 15.
  class Ramp final : public Executable {
   public:
    Tensor run(const Tensor& in, const Job&) const override {
      const auto n = static_cast<std::int64_t>(in.values.size());
      Tensor out({1, 118, in.shape[2], in.shape[3], in.shape[4]});
      for (std::int64_t k = 0; k < 118; ++k)
        for (std::int64_t i = 0; i < n; ++i)
          out.values[static_cast<std::size_t>(k * n + i)] =
              static_cast<float>(k % 11) * in.values[static_cast<std::size_t>(i)];
      return out;
    }
  };
  Setting s({"", {400, 64, 64}, {32, 32, 32}, {600, 96, 96}, 118});
  const Ramp network;
  s.prediction.folds = {&network};
  s.prediction.step = 0.8;
  const long before = greatest_memory(true);
  if (before == 0) GTEST_SKIP() << "this system does not tell";
  predict_labels(s.prediction, s.plans, s.configuration, s.input, Job());
  EXPECT_LT(greatest_memory(false) - before, 90);
}

}  // namespace
