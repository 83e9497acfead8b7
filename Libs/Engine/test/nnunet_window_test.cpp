// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "nnunet_whole_volume.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;
using namespace oncotome::engine::nnunet;

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
#ifdef __has_feature
#if __has_feature(address_sanitizer)
  GTEST_SKIP() << "the sanitizer holds freed memory";
#endif
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
