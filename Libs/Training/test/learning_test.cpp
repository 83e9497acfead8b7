// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "losses.h"
#include "network.h"
#include "normalization.h"
#include "oncotome/core/draws.h"
#include "oncotome/engine/networks.h"
#include "oncotome/torch/evaluate.h"
#include "optimizer.h"

namespace oncotome::training {
namespace {

using at::Tensor;
using engine::Graph;
using engine::Node;
using engine::Op;

engine::Tensor filled(std::vector<std::int64_t> shape, std::uint64_t seed, double scale = 0.5) {
  engine::Tensor t(std::move(shape));
  Draws draws(seed, Purpose::split, {});
  for (float& v : t.values) v = static_cast<float>(draws.uniform(-scale, scale));
  return t;
}

Tensor input(std::vector<std::int64_t> shape, std::uint64_t seed) {
  const engine::Tensor t = filled(std::move(shape), seed, 2);
  Tensor x = at::empty(t.shape, at::kFloat);
  std::copy(t.values.begin(), t.values.end(), x.data_ptr<float>());
  return x;
}

// Every kind of layer that has weights, on a small grid.
Graph every_layer(engine::Weights& weights) {
  Graph g;
  int x = g.add({});
  Node conv{Op::conv, {x}, "a.weight", "a.bias"};
  conv.pad_before = conv.pad_after = {0, 1, 1};
  x = g.add(conv);
  Node norm{Op::batch_norm, {x}, "n.weight", "n.bias"};
  norm.stored = true;
  const int normed = g.add(norm);
  Node pool{Op::max_pool, {normed}};
  pool.kernel = pool.stride = {1, 2, 2};
  Node strided{Op::conv, {g.add(pool)}, "b.weight", ""};
  x = g.add({Op::leaky_relu, {g.add(strided)}});
  Node up{Op::conv_transpose, {x}, "u.weight", "u.bias"};
  up.stride = {1, 2, 2};
  x = g.add({Op::concat, {g.add(up), normed}});
  g.outputs.push_back(g.add({Op::conv, {x}, "labels.weight", "labels.bias"}));
  Node mean{Op::adaptive_avg_pool, {g.add({Op::elu, {x}})}};
  mean.kernel = {1, 1, 1};
  g.outputs.push_back(g.add({Op::conv, {g.add(mean)}, "classes.weight", "classes.bias"}));
  const std::map<std::string, std::vector<std::int64_t>> shapes = {{"a.weight", {4, 2, 1, 3, 3}},
                                                                   {"a.bias", {4}},
                                                                   {"n.weight", {4}},
                                                                   {"n.bias", {4}},
                                                                   {"n.running_mean", {4}},
                                                                   {"n.running_var", {4}},
                                                                   {"b.weight", {6, 4, 1, 1, 1}},
                                                                   {"u.weight", {6, 3, 1, 2, 2}},
                                                                   {"u.bias", {3}},
                                                                   {"labels.weight", {2, 7, 1, 1, 1}},
                                                                   {"labels.bias", {2}},
                                                                   {"classes.weight", {3, 7, 1, 1, 1}},
                                                                   {"classes.bias", {3}}};
  std::uint64_t seed = 0;
  for (const auto& [name, shape] : shapes) weights.emplace(name, filled(shape, ++seed));
  for (float& v : weights.at("n.running_var").values) v = 1;
  return g;
}

struct Problem {
  engine::Weights weights;
  Graph graph = every_layer(weights);
  Tensor x = input({3, 2, 1, 8, 8}, 100);
  Targets targets{at::tensor(std::vector<std::int64_t>{0, 2, kUnknown}, at::kLong),
                  (input({3, 1, 8, 8}, 101) > 0).to(at::kLong)};
  LossConfig loss;

  Tensor loss_of(Network& network) const { return total_loss(network.forward(x, 1), targets, loss, {}); }
};

TEST(Learning, Gradients_equal_finite_differences) {
  Problem p;
  p.loss.label_smoothing = 0.1;
  Network network(p.graph, p.weights, 2, {});
  p.loss_of(network).backward();
  std::uint64_t seed = 50;
  for (const auto& [name, value] : network.parameters()) {
    const Tensor direction = network.imported(name, filled(network.exported(name, value).shape, ++seed));
    const double told = (value.grad() * direction).sum().item<double>();
    constexpr double kStep = 5e-3;
    double at_ends[2];
    for (const int end : {0, 1}) {
      const at::NoGradGuard guard;
      Tensor(value).add_(direction, end == 0 ? kStep : -2 * kStep);
      at_ends[end] = p.loss_of(network).item<double>();
    }
    const at::NoGradGuard guard;
    Tensor(value).add_(direction, kStep);
    EXPECT_NEAR(told, (at_ends[0] - at_ends[1]) / (2 * kStep), 2e-2 * std::abs(told) + 2e-4) << name;
  }
}

TEST(Learning, A_plane_gives_what_a_volume_of_one_slice_gives) {
  const Problem p;
  Network plane(p.graph, p.weights, 2, {}), volume(p.graph, p.weights, 3, {});
  Targets deep = p.targets;
  deep.masks = deep.masks.view({3, 1, 8, 8});
  const Tensor a = p.loss_of(plane), b = total_loss(volume.forward(p.x, 1), deep, p.loss, {});
  EXPECT_NEAR(a.item<double>(), b.item<double>(), 1e-5);
  a.backward();
  b.backward();
  for (const auto& [name, value] : plane.parameters()) {
    const engine::Tensor g = plane.exported(name, value.grad());
    const engine::Tensor h = volume.exported(name, volume.parameters().at(name).grad());
    for (std::size_t i = 0; i < g.values.size(); ++i) ASSERT_NEAR(g.values[i], h.values[i], 1e-5) << name;
  }
}

// As the network has them, and in double precision in ATen's own order, which goes another way.
struct Pair {
  Tensor ours, plain;

  Pair(std::vector<std::int64_t> shape, std::uint64_t seed, bool rows = true, double offset = 0) {
    const Tensor x = input(std::move(shape), seed) + offset;
    const auto layout = x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::ChannelsLast3d;
    ours = (rows ? at::empty(x.sizes(), x.options().memory_format(layout)).copy_(x) : x.clone()).requires_grad_();
    plain = x.to(at::kDouble).requires_grad_();
  }
};

void expect_near(const Tensor& ours, const Tensor& plain, const std::string& what) {
  ASSERT_EQ(ours.sizes(), plain.sizes()) << what;
  const double scale = plain.abs().max().item<double>();
  EXPECT_LT((ours - plain).abs().max().item<double>(), 2e-5 * (scale + 1)) << what;
}

// The same of the outputs, and of the gradients of a weighted sum.
void expect_same(const Tensor& ours, const Tensor& plain, const std::vector<Pair>& inputs, const std::string& what) {
  expect_near(ours, plain, what);
  const Tensor weights = input(plain.sizes().vec(), 77);
  (ours * weights).sum().backward();
  (plain * weights).sum().backward();
  for (std::size_t i = 0; i < inputs.size(); ++i)
    expect_near(inputs[i].ours.grad(), inputs[i].plain.grad(), what + ", input " + std::to_string(i));
}

TEST(Learning, Convolutions_and_their_gradients_equal_those_of_ATen_in_double_precision) {
  struct Case {
    std::vector<std::int64_t> x, weight;
    engine::Dhw stride, dilation, before, after;
    bool up = false;
    std::int64_t first = 0;  ///< Channels of the first of two inputs.
  };
  const std::vector<Case> cases = {
      {{3, 16, 9, 11}, {32, 16, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
      {{2, 1, 12, 12}, {16, 1, 7, 7}, {1, 2, 2}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}},
      {{2, 5, 8, 7}, {7, 5, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 0, 1}, {0, 1, 2}},
      {{2, 16, 10, 10}, {16, 16, 3, 3}, {1, 1, 1}, {1, 2, 2}, {0, 2, 2}, {0, 2, 2}},
      {{4, 48, 1, 1}, {3, 48, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
      {{2, 16, 5, 6, 7}, {16, 16, 3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
      {{2, 1, 5, 6, 7}, {8, 1, 3, 3, 3}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
      {{2, 32, 8, 9}, {48, 32, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
      {{2, 32, 8, 9}, {3, 32, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
      {{2, 48, 5, 6}, {48, 32, 2, 2}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, true},
      {{2, 16, 3, 4, 5}, {16, 32, 2, 1, 2}, {2, 1, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, true},
      {{2, 6, 3, 4, 5}, {6, 5, 2, 2, 1}, {2, 2, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, true},
      {{2, 6, 5, 6}, {6, 5, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 0, 0}, true},
      {{2, 48, 7, 8}, {16, 48, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, false, 32},
      {{2, 7, 3, 7, 8}, {5, 7, 3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, false, 3},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const std::int64_t out = c.weight[c.up ? 1 : 0];
    const std::vector<Pair> inputs = {{c.x, 1}, {c.weight, 2}, {{out}, 3, false}};
    Node node{c.up ? Op::conv_transpose : Op::conv};
    node.stride = c.stride;
    node.dilation = c.dilation;
    node.pad_before = c.before;
    node.pad_after = c.after;
    const Tensor& given = inputs[0].ours;
    std::vector<Features> in = {in_runs(given)};
    if (c.first > 0) in = {in_runs(given.narrow(1, 0, c.first)), in_runs(given.narrow(1, c.first, c.x[1] - c.first))};
    const Tensor ours = whole(convolution(node, inputs[1].ours, inputs[2].ours, in));
    const std::vector<std::int64_t> none(c.x.size() - 2, 0);
    std::vector<std::int64_t> pads;
    for (std::size_t a = 3; a-- > 5 - c.x.size();)
      pads.insert(pads.end(), {c.up ? -c.before[a] : c.before[a], c.up ? -c.after[a] : c.after[a]});
    const auto spatial = [&](const engine::Dhw& v) { return torch_backend::spatial(v, ours); };
    const Tensor x = c.up ? inputs[0].plain : at::constant_pad_nd(inputs[0].plain, pads);
    Tensor plain = at::convolution(x, inputs[1].plain, inputs[2].plain, spatial(c.stride), none, spatial(c.dilation),
                                   c.up, none, 1);
    if (c.up) plain = at::constant_pad_nd(plain, pads);
    expect_same(ours, plain, inputs, "case " + std::to_string(i));
    EXPECT_TRUE(whole(in_runs(given)).equal(given));
  }
}

TEST(Learning, Normalizations_and_their_gradients_equal_those_of_ATen_in_double_precision) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{3, 16, 13, 11}, {2, 48, 6, 7}, {2, 32, 3, 4, 5}, {2, 37, 3, 4, 5}, {4, 8, 1, 1}})
    for (const bool relu : {false, true})
      for (const bool added : {false, true}) {
        const std::int64_t C = shape[1];
        // A mean of many deviations costs little precision.
        std::vector<Pair> inputs = {{shape, 1, true, 10}, {{C}, 2, false}, {{C}, 3, false}};
        if (added) inputs.emplace_back(shape, 4);
        const Tensor mean = at::full({C}, 0.5), variance = at::full({C}, 2.0);
        const Tensor plain_mean = mean.to(at::kDouble), plain_variance = variance.to(at::kDouble);
        const Tensor ours =
            whole(normalized({inputs[1].ours, inputs[2].ours, mean, variance, 1e-5}, in_runs(inputs[0].ours),
                             added ? in_runs(inputs[3].ours) : Features(), relu));
        Tensor plain = at::batch_norm(inputs[0].plain, inputs[1].plain, inputs[2].plain, plain_mean, plain_variance,
                                      true, 0.1, 1e-5, false);
        if (added) plain = plain + inputs[3].plain;
        if (relu) plain = at::relu(plain);
        const std::string what = std::to_string(C) + (relu ? " relu" : "") + (added ? " added" : "");
        expect_near(mean, plain_mean, what + ", mean");
        expect_near(variance, plain_variance, what + ", variance");
        expect_same(ours, plain, inputs, what);
      }
}

TEST(Learning, Statistics_move_a_tenth_of_the_way_and_stay_where_they_are_frozen) {
  engine::Weights weights;
  for (const char* name : {"n.weight", "n.running_var"}) weights[name] = engine::Tensor({1}, 1.0F);
  for (const char* name : {"n.bias", "n.running_mean"}) weights[name] = engine::Tensor({1}, 0.0F);
  Graph g;
  Node norm{Op::batch_norm, {g.add({})}, "n.weight", "n.bias"};
  norm.stored = true;
  g.add(norm);
  const Tensor x = at::tensor(std::vector<float>{1, 2, 3, 6}, at::kFloat).view({2, 1, 1, 1, 2});
  for (const bool frozen : {false, true}) {
    Network network(g, weights, 2, frozen ? std::vector<std::string>{"n"} : std::vector<std::string>{});
    network.forward(x, 1);
    EXPECT_NEAR(network.values().at("n.running_mean").item<double>(), frozen ? 0.0 : 0.3, 1e-6);
    // The unbiased variance of 1, 2, 3, 6 is 14 / 3.
    EXPECT_NEAR(network.values().at("n.running_var").item<double>(), frozen ? 1.0 : 0.9 + 1.4 / 3, 1e-6);
    EXPECT_EQ(network.parameters().empty(), frozen);
  }
}

TEST(Learning, Dropout_is_seeded_and_keeps_the_mean) {
  Graph g;
  Node dropout{Op::dropout, {g.add({})}};
  dropout.probability = 0.25;
  g.add(dropout);
  Network network(g, {}, 2, {});
  const Tensor x = at::ones({4, 16, 1, 32, 32});
  const Tensor y = network.forward(x, 7)[0];
  EXPECT_TRUE(y.equal(network.forward(x, 7)[0]));
  EXPECT_FALSE(y.equal(network.forward(x, 8)[0]));
  EXPECT_NEAR(y.mean().item<double>(), 1, 0.01);
  EXPECT_NEAR((y == 0).to(at::kFloat).mean().item<double>(), 0.25, 0.01);
  EXPECT_TRUE(network.forward(x, {})[0].equal(x.squeeze(2)));
}

// torch 2.11: torch.optim.AdamW(lr=0.01, weight_decay=0.1), SGD(lr=0.1, momentum=0.9, weight_decay=0.01).
TEST(Learning, Three_steps_of_an_optimizer_equal_those_of_PyTorch) {
  const std::vector<std::vector<float>> gradients = {
      {0.1F, -0.2F, 0.3F, 0}, {-0.5F, 0.4F, 0.05F, 1}, {0.02F, 0.7F, -0.3F, 0.1F}};
  const auto stepped = [&](const OptimizerConfig& config, double rate, at::ScalarType type = at::kFloat) {
    Tensors parameters{{"w", at::tensor(std::vector<float>{0.5F, -1, 2, 0.25F}, type).requires_grad_()}};
    Optimizer optimizer(config, parameters);
    for (const auto& gradient : gradients) {
      parameters.at("w").mutable_grad() = at::tensor(gradient, type);
      optimizer.step(rate);
    }
    return parameters.at("w").detach();
  };
  OptimizerConfig adamw;
  adamw.weight_decay = 0.1;
  OptimizerConfig sgd;
  sgd.adamw = false;
  sgd.weight_decay = 0.01;
  const auto expect = [](const Tensor& w, const std::vector<double>& wanted) {
    for (std::size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(w[static_cast<std::int64_t>(i)].item<double>(), wanted[i], 2e-7 * (1 + std::abs(wanted[i])));
  };
  // Doubles go the way of other devices.
  for (const at::ScalarType type : {at::kFloat, at::kDouble})
    expect(stepped(adamw, 0.01, type), {0.498870283, -0.997587621, 1.97638023, 0.235457256});
  expect(stepped(sgd, 0.1), {0.563085377, -1.08623075, 1.92810857, 0.0486986972});
}

TEST(Learning, Gradients_are_clipped_together) {
  Tensors parameters{{"a", at::zeros({1}).requires_grad_()}, {"b", at::zeros({1}).requires_grad_()}};
  OptimizerConfig config;
  config.adamw = false;
  config.weight_decay = 0;
  config.clip_norm = 1;
  Optimizer optimizer(config, parameters);
  parameters.at("a").mutable_grad() = at::full({1}, 3.0);
  parameters.at("b").mutable_grad() = at::full({1}, 4.0);
  EXPECT_NEAR(optimizer.step(1), 5, 1e-6);
  EXPECT_NEAR(parameters.at("a").item<double>(), -0.6, 1e-5);
  EXPECT_NEAR(parameters.at("b").item<double>(), -0.8, 1e-5);
}

TEST(Learning, Losses_have_their_closed_forms) {
  const Tensor logits = at::tensor(std::vector<float>{1, 2, 0.5F, 0, -1, 3}, at::kFloat).view({2, 3});
  const Tensor classes = at::tensor(std::vector<std::int64_t>{0, 2}, at::kLong);
  // torch 2.11: F.cross_entropy, the second with weight=(1, 2, 0.5) and label_smoothing=0.1.
  EXPECT_NEAR(class_loss(logits, classes, {}, 0).item<double>(), 0.7651263475, 1e-6);
  EXPECT_NEAR(class_loss(logits, classes, at::tensor(std::vector<float>{1, 2, 0.5F}, at::kFloat), 0.1).item<double>(),
              1.2229616642, 1e-6);
  EXPECT_EQ(class_loss(logits, at::full({2}, kUnknown, at::kLong), {}, 0).item<double>(), 0);
  // Probabilities of a half everywhere, 6 of 16 voxels are foreground: Dice is 2 * 3 / (8 + 6).
  const Tensor masks = (at::arange(16) < 6).to(at::kLong).view({1, 4, 4});
  EXPECT_NEAR(segmentation_loss(at::zeros({1, 2, 4, 4}), masks, 1, 0).item<double>(), 1 - 6.0 / 14, 1e-5);
  const Tensor sure = (at::one_hot(masks, 2).permute({0, 3, 1, 2}) * 200 - 100).to(at::kFloat);
  EXPECT_NEAR(segmentation_loss(sure, masks, 1, 0).item<double>(), 0, 1e-5);
}

TEST(Learning, The_segmentation_loss_and_its_gradient_equal_those_of_ATen_in_double_precision) {
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{2, 2, 9, 7}, {3, 5, 4, 6, 3}, {2, 3, 1, 1}})
    for (const auto& [rows, per_image] : {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
      const std::vector<Pair> logits = {{shape, 1, rows}};
      std::vector<std::int64_t> voxels = shape;
      voxels.erase(voxels.begin() + 1);
      const Tensor masks = (input(voxels, 2).abs() * 1000).to(at::kLong).remainder(shape[1]);
      expect_same(segmentation_loss(logits[0].ours, masks, 1, 1, per_image),
                  segmentation_loss(logits[0].plain, masks, 1, 1, per_image), logits,
                  std::to_string(shape[1]) + " labels");
    }
}

TEST(Learning, An_image_without_a_mask_teaches_the_other_head_alone) {
  Problem p;
  p.targets.masks.select(0, 1).fill_(kUnknown);
  Network network(p.graph, p.weights, 2, {});
  const std::vector<Tensor> logits = network.forward(p.x, 1);
  const Tensor rows = at::tensor(std::vector<std::int64_t>{0, 2}, at::kLong);
  const Tensor of = logits[0].index_select(0, rows), masks = p.targets.masks.index_select(0, rows);
  const Tensor alone = segmentation_loss(of, masks.view({2, 8, 8}), 1, 1);
  EXPECT_NEAR(total_loss(logits, p.targets, p.loss, {}).item<double>(),
              (alone + class_loss(logits[1], p.targets.classes, {}, 0)).item<double>(), 1e-5);
}

TEST(Learning, Lower_stages_count_half_as_much_each) {
  engine::NetworkConfig config{"unet_classifier", 2, 1, 3, 2, {1, 32, 32}, {2, 3, 4, 5, 6}, true};
  Network network(engine::build_network(config), engine::initial_weights(config, 1), 2, {});
  const std::vector<Tensor> logits = network.forward(input({2, 1, 1, 32, 32}, 3), 1);
  ASSERT_EQ(logits.size(), 4U);
  const Targets targets{at::tensor(std::vector<std::int64_t>{0, 2}, at::kLong),
                        (input({2, 1, 32, 32}, 4) > 0).to(at::kLong)};
  double expected = class_loss(logits[3], targets.classes, {}, 0).item<double>();
  for (std::int64_t s = 0; s < 3; ++s) {
    EXPECT_EQ(logits[static_cast<std::size_t>(s)].size(2), 32 >> s);
    Tensor masks = at::empty({2, 32 >> s, 32 >> s}, at::kLong);
    for (std::int64_t y = 0; y < masks.size(1); ++y)
      for (std::int64_t x = 0; x < masks.size(2); ++x)
        masks.select(1, y).select(1, x).copy_(targets.masks.select(1, 0).select(1, y << s).select(1, x << s));
    const double weight = std::array<double, 3>{4.0 / 7, 2.0 / 7, 1.0 / 7}[static_cast<std::size_t>(s)];
    expected += weight * segmentation_loss(logits[static_cast<std::size_t>(s)], masks, 1, 1).item<double>();
  }
  const Tensor loss = total_loss(logits, targets, {}, {});
  EXPECT_NEAR(loss.item<double>(), expected, 1e-5);
  loss.backward();
  for (const auto& [name, value] : network.parameters()) EXPECT_TRUE(value.grad().defined()) << name;
}

TEST(Learning, Mixed_precision_convolves_what_bfloat16_holds) {
  const auto rounded = [](const Tensor& t) { return t.to(at::kBFloat16).to(at::kDouble); };
  const Tensor x = input({2, 6, 5, 7}, 1), weight = input({6, 4, 2, 2}, 2), bias = input({4}, 3);
  Node node{Op::conv_transpose};
  node.stride = {1, 2, 2};
  const Tensor plain = at::conv_transpose2d(rounded(x), rounded(weight), rounded(bias), 2);
  const Tensor found = convolution(node, weight, bias, {{x}}, true).t;
  EXPECT_EQ(found.scalar_type(), at::kBFloat16);
  // Half of the last of 8 bits.
  EXPECT_LE(((found - plain).abs() / plain.abs()).max().item<double>(), 1.0 / 256);
}

TEST(Learning, Mixed_precision_teaches_nearly_what_float32_teaches) {
  for (const int dimensions : {2, 3}) {
    const engine::Dhw size = {dimensions == 2 ? 1 : 16, 32, 32};
    engine::NetworkConfig config{"unet_classifier", dimensions, 1, 3, 2, size, {4, 8, 16, 16}, true};
    const engine::Weights weights = engine::initial_weights(config, 1);
    const Tensor x = input({4, 1, size[0], 32, 32}, 3);
    const Targets targets{at::tensor(std::vector<std::int64_t>{0, 2, 1, 1}, at::kLong),
                          (input({4, size[0], 32, 32}, 4) > 0).to(at::kLong)};
    std::vector<Tensor> outputs, gradients;
    for (const bool mixed : {false, true}) {
      Network network(engine::build_network(config), weights, dimensions, {}, {at::kCPU, mixed});
      const std::vector<Tensor> logits = network.forward(x, 1);
      outputs.push_back(logits[0].detach());
      total_loss(logits, targets, {}, {}).backward();
      std::vector<Tensor> all;
      for (const auto& [name, value] : network.parameters()) {
        EXPECT_EQ(value.grad().scalar_type(), at::kFloat) << name;
        all.push_back(value.grad().flatten());
      }
      gradients.push_back(at::cat(all));
    }
    EXPECT_EQ(outputs[1].scalar_type(), at::kFloat);
    const auto apart = [](const std::vector<Tensor>& pair) {
      return ((pair[1] - pair[0]).norm() / pair[0].norm()).item<double>();
    };
    EXPECT_LT(apart(outputs), 0.05) << dimensions;
    EXPECT_GT(apart(outputs), 1e-4) << dimensions;
    // Of small sums of numbers of both signs more is lost.
    EXPECT_LT(apart(gradients), 0.25) << dimensions;
  }
}

TEST(Learning, Schedules_begin_warm_and_end_at_their_floor) {
  ScheduleConfig cosine;
  cosine.warmup_epochs = 2;
  cosine.floor = 0.1;
  EXPECT_DOUBLE_EQ(schedule(cosine, 1, 12), 0.5);
  EXPECT_DOUBLE_EQ(schedule(cosine, 2, 12), 1);
  EXPECT_NEAR(schedule(cosine, 7, 12), 0.55, 1e-12);
  EXPECT_NEAR(schedule(cosine, 12, 12), 0.1, 1e-12);
  ScheduleConfig step;
  step.kind = ScheduleConfig::Kind::step;
  step.step_epochs = 3;
  step.factor = 0.5;
  EXPECT_DOUBLE_EQ(schedule(step, 2.9, 12), 1);
  EXPECT_DOUBLE_EQ(schedule(step, 6, 12), 0.25);
  EXPECT_DOUBLE_EQ(schedule({ScheduleConfig::Kind::constant}, 6, 12), 1);
}

TEST(Learning, Every_network_by_name_takes_a_step) {
  for (const std::string& name : engine::network_names()) {
    engine::NetworkConfig config;
    config.architecture = name;
    config.in_channels = 1;
    config.classes = 3;
    config.input_size = {1, 64, 64};
    if (name == "unet_classifier") config.labels = 2, config.features = {4, 8};
    // The largest ones need gigabytes; their layers are the others'.
    if (name.rfind("vgg", 0) == 0 || name == "alexnet" || name.rfind("resnet1", 0) == 0) {
      if (name != "resnet18") continue;
    }
    Network network(engine::build_network(config), engine::initial_weights(config, 1), 2, {});
    const auto out = network.forward(input({2, 1, 1, 64, 64}, 3), 1);
    Targets targets{at::tensor(std::vector<std::int64_t>{0, 2}, at::kLong), {}};
    if (config.labels > 0) targets.masks = at::zeros({2, 1, 64, 64}, at::kLong);
    const Tensor loss = total_loss(out, targets, {}, {});
    loss.backward();
    for (const auto& [parameter, value] : network.parameters())
      ASSERT_TRUE(value.grad().defined()) << name << parameter;
    Optimizer optimizer({}, network.parameters());
    optimizer.step(1e-3);
    EXPECT_TRUE(std::isfinite(loss.item<double>())) << name;
  }
}

}  // namespace
}  // namespace oncotome::training
