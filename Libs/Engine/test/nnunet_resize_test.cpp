// SPDX-License-Identifier: Apache-2.0
#include "nnunet/resize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "nnunet/case.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "oncotome/engine/safetensors.h"

namespace oncotome::engine::nnunet {
namespace {

// Written by Testing/Golden/make_resize_fixtures.py, which says what each tensor is.
const Weights& fixtures() {
  static const Weights all = read_safetensors(std::string(ONCOTOME_FIXTURES) + "/nnunet_resize.safetensors");
  return all;
}

std::vector<std::string> cases(const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& [key, tensor] : fixtures())
    if (key.compare(0, prefix.size(), prefix) == 0 && key.size() > 4 && key.substr(key.size() - 4) == ".how")
      names.push_back(key.substr(0, key.size() - 4));
  return names;
}

const Tensor& fixture(const std::string& name) { return fixtures().at(name); }

Dhw dhw(const Tensor& tensor) {
  const std::size_t n = tensor.shape.size();
  return {tensor.shape[n - 3], tensor.shape[n - 2], tensor.shape[n - 1]};
}

Vec3 triple(const std::vector<float>& values, std::size_t first) {
  return {static_cast<double>(values.at(first)), static_cast<double>(values.at(first + 1)),
          static_cast<double>(values.at(first + 2))};
}

Dhw whole_triple(const std::vector<float>& values, std::size_t first) {
  const Vec3 v = triple(values, first);
  return {std::llround(v[0]), std::llround(v[1]), std::llround(v[2])};
}

// Of the value, or of a share of the largest: about zero single precision itself has no such digits.
void expect_close(const std::vector<float>& ours, const std::vector<float>& theirs, float share,
                  const std::string& name) {
  ASSERT_EQ(ours.size(), theirs.size()) << name;
  float scale = 0;
  for (const float v : theirs) scale = std::max(scale, std::abs(v));
  for (std::size_t i = 0; i < ours.size(); ++i)
    ASSERT_NEAR(ours[i], theirs[i], 1e-6F * std::max(std::abs(theirs[i]), share * scale)) << name << " voxel " << i;
}

Resampling resampling_of(const std::vector<float>& how) {
  Resampling out;
  out.function = how[0] > 0 ? Resampling::Function::torch : Resampling::Function::standard;
  out.order = static_cast<int>(how[2]);
  out.order_z = static_cast<int>(how[3]);
  if (how[4] >= 0) out.force_separate_z = how[4] > 0;
  out.memory_efficient_labels = how[5] > 0;
  return out;
}

TEST(NnunetResize, GivesWhatNnunetsResamplingGives) {
  int images = 0, labels = 0;
  for (const std::string& name : cases("")) {
    if (name.compare(0, 4, "case") == 0) continue;
    const std::vector<float>& how = fixture(name + ".how").values;
    const Tensor &in = fixture(name + ".in"), &out = fixture(name + ".out");
    const Resampling resampling = resampling_of(how);
    const auto resizing = plan_resizing(resampling, dhw(in), whole_triple(how, 12), triple(how, 6), triple(how, 9));
    ASSERT_TRUE(resizing) << name;
    if (how[1] > 0) {
      const std::vector<std::int16_t> made = resize_labels(resampling, *resizing, {in.values.begin(), in.values.end()});
      EXPECT_EQ(made, std::vector<std::int16_t>(out.values.begin(), out.values.end())) << name;
      ++labels;
    } else {
      std::vector<float> made(out.values.size());
      resize(*resizing, in.values.data(), made.data());
      expect_close(made, out.values, how[0] > 0 ? 0.1F : 0.01F, name);
      ++images;
    }
  }
  EXPECT_EQ(images, 25);
  EXPECT_EQ(labels, 12);
}

TEST(NnunetResize, GivesTheSameOnAnyNumberOfThreads) {
  std::vector<float> in(40 * 50 * 60), one(30 * 70 * 45), four(one.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>((i * 7919) % 1013);
  const auto resizing = plan_resizing({Resampling::Function::standard, 3, 0, std::nullopt, false}, {40, 50, 60},
                                      {30, 70, 45}, {1, 1, 1}, {1, 1, 1});
  set_compute_threads(1);
  resize(*resizing, in.data(), one.data());
  set_compute_threads(4);
  resize(*resizing, in.data(), four.data());
  set_compute_threads(0);
  EXPECT_EQ(one, four);
}

TEST(NnunetResize, LeavesAnArrayOfTheSameShapeOrThatPlansDoNotResample) {
  const Resampling standard{}, none{Resampling::Function::none, 1, 0, std::nullopt, false};
  EXPECT_FALSE(plan_resizing(standard, {3, 4, 5}, {3, 4, 5}, {1, 1, 1}, {2, 1, 1}));
  EXPECT_FALSE(plan_resizing(none, {3, 4, 5}, {6, 4, 5}, {1, 1, 1}, {2, 1, 1}));
}

TEST(NnunetResize, RefusesOrdersThatItDoesNotHave) {
  const auto code = [](const Resampling& resampling, bool labels) {
    try {
      const auto resizing = plan_resizing(resampling, {3, 4, 5}, {4, 4, 5}, {4, 1, 1}, {1, 1, 1});
      if (labels) resize_labels(resampling, *resizing, std::vector<std::int16_t>(60));
      return ErrorCode::internal;
    } catch (const Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(code({Resampling::Function::standard, 2, 0, std::nullopt, false}, false), ErrorCode::model_unsupported);
  EXPECT_EQ(code({Resampling::Function::standard, 1, -1, std::nullopt, false}, false), ErrorCode::model_unsupported);
  EXPECT_EQ(code({Resampling::Function::standard, 3, 0, std::nullopt, false}, true), ErrorCode::model_unsupported);
  EXPECT_EQ(code({Resampling::Function::standard, 1, 1, std::nullopt, false}, true), ErrorCode::model_unsupported);
}

struct Given {
  Plans plans;
  Configuration configuration;
  Vec3 spacing_mm{};
};

Given given_of(const std::string& name) {
  const std::vector<float>& how = fixture(name + ".how").values;
  Given out;
  const Dhw order = whole_triple(how, 0);
  for (std::size_t a = 0; a < 3; ++a) out.plans.transpose_forward[a] = static_cast<std::size_t>(order[a]);
  out.spacing_mm = triple(how, 3);
  const Vec3 target = triple(how, 6);
  out.configuration.spacing_mm.assign(target.begin() + (target[0] == 0), target.end());
  out.configuration.network.dimensions = static_cast<int>(out.configuration.spacing_mm.size());
  for (std::size_t i = 9; i + 6 <= how.size(); i += 6) {
    out.plans.channel_names.push_back("channel");
    out.configuration.normalization.push_back(static_cast<Normalization>(how[i]));
    out.configuration.use_mask_for_norm.push_back(how[i + 1] > 0);
    out.plans.intensities.push_back({how[i + 2], how[i + 3], how[i + 4], how[i + 5]});
  }
  out.configuration.resample_data.order = 3;
  if (fixtures().count(name + ".previous")) {
    out.configuration.previous_stage = "3d_lowres";
    out.plans.labels.entries = {{"background", {0}}, {"organ", {1}}, {"tumor", {2}}};
  }
  return out;
}

TEST(NnunetPreprocess, GivesWhatNnunetsPreprocessorGives) {
  const std::vector<std::string> names = cases("case");
  EXPECT_GE(names.size(), 10U);
  for (const std::string& name : names) {
    const Given given = given_of(name);
    const Job job;
    std::vector<std::uint8_t> previous;
    if (!given.configuration.previous_stage.empty()) {
      const std::vector<float>& values = fixture(name + ".previous").values;
      previous.assign(values.begin(), values.end());
    }
    const Case made = preprocess(given.plans, given.configuration, fixture(name + ".in"), given.spacing_mm,
                                 previous.empty() ? nullptr : &previous, job);
    const std::vector<float>& box = fixture(name + ".box").values;
    EXPECT_EQ(made.shape, whole_triple(box, 0)) << name;
    EXPECT_EQ(made.crop_first, whole_triple(box, 3)) << name;
    EXPECT_EQ(made.crop_size, whole_triple(box, 6)) << name;
    EXPECT_EQ(made.data.shape, fixture(name + ".out").shape) << name;
    expect_close(made.data.values, fixture(name + ".out").values, 0.01F, name);
  }
}

TEST(NnunetPreprocess, RefusesWhatIsNoCaseOfTheModel) {
  const Given given = given_of("case ct");
  const Tensor& image = fixture("case ct.in");
  const Job job;
  const auto code = [&](const Tensor& tensor, const Vec3& spacing, const std::vector<std::uint8_t>* previous) {
    try {
      preprocess(given.plans, given.configuration, tensor, spacing, previous, job);
      return ErrorCode::internal;
    } catch (const Error& error) {
      return error.code();
    }
  };
  Tensor broken = image;
  broken.values[100] = std::nanf("");
  const std::vector<std::uint8_t> labels(image.values.size());
  EXPECT_EQ(code(broken, {1, 1, 1}, nullptr), ErrorCode::precondition_unmet);
  EXPECT_EQ(code(Tensor({2, 3, 3, 3}, 1), {1, 1, 1}, nullptr), ErrorCode::precondition_unmet);
  EXPECT_EQ(code(image, {0, 1, 1}, nullptr), ErrorCode::precondition_unmet);
  EXPECT_EQ(code(image, {1e9, 1e9, 1e9}, nullptr), ErrorCode::precondition_unmet);
  EXPECT_EQ(code(image, {1e-9, 1, 1}, nullptr), ErrorCode::precondition_unmet);
  EXPECT_EQ(code(image, {1, 1, 1}, &labels), ErrorCode::precondition_unmet);
  Job cancelled;
  cancelled.cancel();
  try {
    preprocess(given.plans, given.configuration, image, {1, 1, 1}, nullptr, cancelled);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
}

}  // namespace
}  // namespace oncotome::engine::nnunet
