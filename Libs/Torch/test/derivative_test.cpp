// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "flat_convolution.h"
#include "native/backend.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/backend.h"
#include "oncotome/engine/noise.h"

namespace {

using namespace oncotome::engine;
using oncotome::Error;
using oncotome::Job;

Tensor noise(const std::vector<std::int64_t>& shape, std::uint64_t stream) {
  Tensor t(shape);
  const Noise normal(1, stream);
  for (std::size_t i = 0; i < t.values.size(); ++i) t.values[i] = normal(i);
  return t;
}

// Of every operation that LibTorch differentiates in a way of its own, by differences of what the graph gives.
TEST(Derivative, Is_the_limit_of_differences) {
  Graph graph;
  graph.add({});
  graph.add(conv(0, "a", 3));
  graph.add({Op::instance_norm, {1}});
  graph.add({Op::elu, {2}});
  graph.add(conv(3, "b", 3, 2));
  graph.add({Op::gelu, {4}});
  Node mean{Op::adaptive_avg_pool, {5}};
  mean.kernel = {1, 2, 2};
  graph.add(mean);
  const Weights weights{{"a.weight", noise({1, 1, 1, 3, 3}, 1)}, {"b.weight", noise({1, 1, 1, 3, 3}, 2)}};
  const Tensor input = noise({1, 1, 1, 6, 8}, 3), seed = noise({1, 1, 1, 2, 2}, 4);
  const auto network = load_torch_backend(Device::cpu, 1)->compile(graph, weights);
  const auto derivative = network->differentiate(input, {0, {6, 3}}, Job());
  EXPECT_EQ(derivative->value(0).values, input.values);
  const Tensor output = network->run(input, Job()), value = derivative->value(6);
  for (std::size_t i = 0; i < output.values.size(); ++i) EXPECT_NEAR(value.values[i], output.values[i], 1e-6);
  const Tensor gradient = derivative->gradient(6, seed);
  const auto sum_at = [&](std::size_t i, float step) {
    Tensor moved = input;
    moved.values[i] += step;
    const Tensor out = network->run(moved, Job());
    double sum = 0;
    for (std::size_t v = 0; v < out.values.size(); ++v) sum += static_cast<double>(out.values[v] * seed.values[v]);
    return sum;
  };
  for (std::size_t i = 0; i < input.values.size(); ++i)
    EXPECT_NEAR(gradient.values[i], (sum_at(i, 0.01F) - sum_at(i, -0.01F)) / 0.02, 2e-3) << i;
}

TEST(Derivative, Is_zero_by_what_nothing_depends_on) {
  Graph graph;
  graph.add({});
  const int aside = graph.add(conv(0, "a", 3)), out = graph.add({Op::relu, {0}});
  const auto network = load_torch_backend(Device::cpu, 1)->compile(graph, {{"a.weight", noise({1, 1, 1, 3, 3}, 1)}});
  const auto derivative = network->differentiate(noise({1, 1, 1, 4, 4}, 2), {aside, {out}}, Job());
  EXPECT_EQ(derivative->gradient(out, Tensor({1, 1, 1, 4, 4}, 1)).values, std::vector<float>(16, 0));
}

// With a mean and a variance that are held, what is left of a normalization is a factor: its weight by the deviation.
TEST(Derivative, Holds_what_normalizations_take_from_the_image) {
  const Tensor input = noise({2, 4, 1, 5, 6}, 5);
  Tensor weight({4}, 3), bias({4}, 1);
  for (const Op op : {Op::instance_norm, Op::batch_norm, Op::group_norm}) {
    Graph graph;
    graph.add({});
    Node norm{op, {0}, "n.weight", "n.bias"};
    norm.groups = op == Op::group_norm ? 2 : 1;
    graph.add(norm);
    const auto network = load_torch_backend(Device::cpu, 1)->compile(graph, {{"n.weight", weight}, {"n.bias", bias}});
    const auto derivative = network->differentiate(input, {0, {1}, true}, Job());
    const Tensor plain = network->run(input, Job()), held = derivative->value(1);
    for (std::size_t i = 0; i < plain.values.size(); ++i) EXPECT_NEAR(held.values[i], plain.values[i], 1e-5);
    Tensor one(input.shape);
    one.values[37] = 1;
    const Tensor gradient = derivative->gradient(1, one);
    const double factor = (plain.values[38] - plain.values[37]) / (input.values[38] - input.values[37]);
    for (std::size_t i = 0; i < gradient.values.size(); ++i)
      EXPECT_NEAR(gradient.values[i], i == 37 ? factor : 0, 1e-5) << op_name(op);
  }
}

TEST(Derivative, Our_own_kernels_have_none) {
  Graph graph;
  graph.add({});
  const auto network = native::make_backend({})->compile(graph, {});
  EXPECT_THROW(network->differentiate(Tensor({1, 1, 1, 2, 2}), {}, Job()), Error);
}

}  // namespace
