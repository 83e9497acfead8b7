// SPDX-License-Identifier: Apache-2.0
#include "oncotome/bench/bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "cases.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/backend.h"
#include "oracle.h"
#include "rounds.h"

namespace {

using namespace oncotome;
using namespace oncotome::bench;

TEST(Rounds, Ratios_are_of_the_same_round) {
  const Ratios ratios = ratios_of({1, 2, 4, 8}, {3, 3, 16, 4});
  EXPECT_DOUBLE_EQ(ratios.least, 0.5);
  EXPECT_DOUBLE_EQ(ratios.middle, 2.25);
  EXPECT_DOUBLE_EQ(median({5, 1, 3}), 3);
}

TEST(Rounds, A_share_of_the_roof_is_that_of_the_roof_beside_it) {
  EXPECT_DOUBLE_EQ(roof_share(6e9, {1, 2, 3}, {12, 6, 8}), 0.5);
  EXPECT_DOUBLE_EQ(roof_share(6e9, {1}, {0}), 0);
}

TEST(Report, Rows_have_all_fields_and_are_read_again) {
  Report report;
  report.roof["f32"] = {100, 200};
  Row row;
  row.name = "conv";
  row.dtype = "bf16";
  row.peer = "other";
  row.ratio_min = 1.5;
  row.threads = 2;
  report.rows = {row};
  report.voids = {{"conv", "int8", "other", 0.5, 0.1}};
  const std::string text = to_json(report);
  EXPECT_EQ(to_json(from_json(text)), text);
  EXPECT_NE(to_text(report).find("void: conv int8 by other"), std::string::npos);
  const nlohmann::json json = nlohmann::json::parse(to_json(report));
  for (const char* key : {"case", "dtype", "peer", "peer_version", "ratio_min", "ratio_median", "roof_share", "error",
                          "peer_error", "threads", "time_ms", "peer_ms", "peer_layout", "peer_dtype", "kernel"})
    EXPECT_TRUE(json["rows"][0].contains(key)) << key;
  EXPECT_EQ(json["rows"][0]["ratio_min"], 1.5);
  EXPECT_EQ(json["void"][0]["who"], "other");
  EXPECT_THROW(from_json("{}"), Error);
}

TEST(Cases, Are_the_distinct_convolutions_of_the_networks) {
  const std::vector<std::string> list = case_names({});
  const std::set<std::string> names(list.begin(), list.end());
  EXPECT_EQ(names.size(), list.size());
  for (const char* name :
       {"unet128/conv 3x3x3 32+32->32 at 128x128x128", "unet128/conv 3x3x3 1->32 at 128x128x128 first",
        "unet64/up 2x2x2 64->32 at 32x32x32", "unet64/conv 1x1x1 32->3 at 64x64x64 last",
        "resnet50/conv 1x1x1 2048->1000 at 1x1x1 last", "vgg16/conv 1x7x7 512->4096 at 1x7x7",
        "resnet18-3d/conv 7x7x7 1->64 at 96x96x96 stride 2x2x2 first", "network/resenc64"})
    EXPECT_EQ(names.count(name), 1) << name;
  Options wrong;
  wrong.only = "(";
  EXPECT_THROW(case_names(wrong), Error);
}

// As others count them.
TEST(Cases, Networks_have_the_operations_that_are_known_of_them) {
  const std::pair<const char*, double> known[] = {
      {"network/unet128", 954.6}, {"network/resnet50", 8.2}, {"network/vgg16", 30.9}, {"network/unet2d", 24.1}};
  const std::vector<Case> cases = all_cases();
  for (const auto& [name, giga] : known) {
    const auto found = std::find_if(cases.begin(), cases.end(), [n = name](const Case& c) { return c.name == n; });
    ASSERT_NE(found, cases.end()) << name;
    EXPECT_NEAR(found->operations / 1e9, giga, 0.01 * giga) << name;
  }
}

TEST(Cases, Noise_is_normal_and_the_same_each_time) {
  const engine::Tensor t = noise({1, 3, 50, 50, 50}, 5, 2.0);
  double sum = 0, squares = 0;
  for (const float v : t.values) {
    sum += v;
    squares += double{v} * v;
  }
  const auto n = static_cast<double>(t.values.size());
  EXPECT_NEAR(sum / n, 0, 0.02);
  EXPECT_NEAR(squares / n, 4, 0.05);
  EXPECT_EQ(t.values, noise({1, 3, 50, 50, 50}, 5, 2.0).values);
  EXPECT_NE(t.values, noise({1, 3, 50, 50, 50}, 6, 2.0).values);
}

// A convolution of ones over ones: as many as there are taps within the input.
TEST(Oracle, Counts_the_taps_of_each_voxel) {
  kernels::ConvShape s;
  s.source_channels[0] = 2;
  s.out_channels = 3;
  for (int a = 0; a < 3; ++a) {
    s.in[a] = s.out[a] = s.kernel[a] = 3;
    s.pad[a] = 1;
  }
  Task task;
  task.input = engine::Tensor({1, 2, 3, 3, 3}, 1);
  task.weights["weight"] = engine::Tensor({3, 2, 3, 3, 3}, 1);
  const Samples samples = sample_convolution(s, task);
  ASSERT_EQ(samples.voxels.size(), 27);
  EXPECT_EQ(samples.values[0], 16);
  EXPECT_EQ(samples.values[13 * 3 + 2], 54);
  engine::Tensor output({1, 3, 3, 3, 3});
  for (std::size_t v = 0; v < 27; ++v)
    for (std::size_t c = 0; c < 3; ++c) output.values[c * 27 + v] = static_cast<float>(samples.values[v * 3 + c]);
  EXPECT_EQ(relative_error(samples, output), 0);
  output.values[0] += 1;
  EXPECT_GT(relative_error(samples, output), 1e-3);
  output.values[0] = NAN;
  EXPECT_FALSE(relative_error(samples, output) <= 1);
}

// LibTorch adds float32, so its own error is what is left.
TEST(Oracle, Computes_networks_as_LibTorch_does) {
  const std::map<std::string, std::vector<std::int64_t>> inputs = {
      {"unet2d", {1, 1, 1, 64, 48}}, {"resnet50", {1, 3, 1, 224, 224}}, {"meshnet", {1, 1, 6, 5, 7}}};
  const auto backend = engine::load_torch_backend(engine::Device::cpu, 2);
  std::size_t found = 0;
  for (const Net& net : networks()) {
    if (inputs.count(net.name) == 0) continue;
    ++found;
    const Task task = task_of(net, inputs.at(net.name), 7);
    const engine::Tensor expected = backend->compile(task.graph, task.weights)->run(task.input, Job());
    EXPECT_LT(relative_error(exact_output(task), expected), 1e-5) << net.name;
  }
  EXPECT_EQ(found, inputs.size());
}

/// Convolutions of one voxel by plain loops; wrong by one when it is told to be.
class Loops : public Contestant {
 public:
  Loops(const Task& task, bool wrong) : task_(task), wrong_(wrong) {}
  void run() override {
    const auto& in = task_.input.shape;
    const engine::Tensor& w = task_.weights.at("weight");
    const auto voxels = static_cast<std::size_t>(in[2] * in[3] * in[4]), ins = static_cast<std::size_t>(in[1]);
    output_ = engine::Tensor({1, w.shape[0], in[2], in[3], in[4]});
    for (std::size_t i = 0; i < output_.values.size(); ++i) {
      double sum = wrong_ ? 1 : 0;
      for (std::size_t c = 0; c < ins; ++c)
        sum += double{w.values[i / voxels * ins + c]} * task_.input.values[c * voxels + i % voxels];
      output_.values[i] = static_cast<float>(sum);
    }
  }
  engine::Tensor output() override { return output_; }
  std::string how() const override { return "plain loops"; }

 private:
  const Task task_;
  const bool wrong_;
  engine::Tensor output_;
};

class LoopsPeer : public Peer {
 public:
  explicit LoopsPeer(bool wrong) : wrong_(wrong) {}
  std::string name() const override { return wrong_ ? "wrong" : "right"; }
  std::string version() const override { return "1"; }
  std::unique_ptr<Contestant> prepare(const Task& task, const std::string& dtype) const override {
    return dtype == "f32" ? std::make_unique<Loops>(task, wrong_) : nullptr;
  }

 private:
  const bool wrong_;
};

TEST(Bench, Compares_a_small_case_quickly_and_counts_only_what_is_right) {
  Options options;
  options.quick = true;
  options.only = "1x1x1 256->64 at 1x56x56";
  options.threads = 2;
  options.rounds = 3;
  const LoopsPeer right(false), wrong(true);
  const Report report = run(options, {&right, &wrong}, Job());
  EXPECT_EQ(report.roof.at("f32").size(), 2);
  ASSERT_EQ(report.voids.size(), 1);
  EXPECT_EQ(report.voids[0].who, "wrong");
  for (const Row& row : report.rows) {
    EXPECT_NE(row.name.find(options.only), std::string::npos);
    EXPECT_EQ(row.threads, 2);
    EXPECT_GT(row.time_ms, 0);
    EXPECT_LE(row.error, 3e-2);
    if (row.peer == "none") continue;
    EXPECT_TRUE(row.peer == "right" || row.dtype == "block") << row.peer;
    EXPECT_EQ(row.peer_dtype, "f32");
    EXPECT_GT(row.ratio_min, 0);
    EXPECT_GE(row.ratio_median, row.ratio_min);
  }
  options.only = "no such case";
  EXPECT_THROW(run(options, {}, Job()), Error);
}

}  // namespace
