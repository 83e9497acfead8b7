// SPDX-License-Identifier: Apache-2.0
// Oncotome's own kernels against LibTorch, over whole networks.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <thread>

#include "native/backend.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/monai.h"
#include "oncotome/engine/networks.h"
#include "oncotome/kernels/convolution.h"

namespace {

using namespace oncotome::engine;
using oncotome::Error;
using oncotome::ErrorCode;
using oncotome::Job;

struct Case {
  std::string name;
  std::function<Graph(Weights&)> build;
  std::vector<std::int64_t> shape;
};

class Numbers {
 public:
  float next() {
    state_ = state_ * 1664525U + 1013904223U;
    return static_cast<float>(state_ >> 8) / static_cast<float>(1 << 24) - 0.5F;
  }
  Tensor tensor(const std::vector<std::int64_t>& shape, float middle, float range) {
    Tensor t(shape);
    for (float& v : t.values) v = middle + range * next();
    return t;
  }

 private:
  std::uint32_t state_ = 1;
};

std::int64_t msnet_channels(const std::string& weight) {
  return weight.rfind("final", 0) == 0 ? 2 : weight.rfind("pred", 0) == 0 ? 5 : 32;
}

// Weights that keep values near one from layer to layer.
Weights weights_for(const Graph& graph, std::int64_t in_channels) {
  Weights weights;
  Numbers numbers;
  std::vector<std::int64_t> channels;
  for (const Node& node : graph.nodes) {
    std::int64_t c = node.inputs.empty() ? in_channels : channels[static_cast<std::size_t>(node.inputs[0])];
    if (node.op == Op::concat) {
      c = 0;
      for (const int input : node.inputs) c += channels[static_cast<std::size_t>(input)];
    }
    if (node.op == Op::pad_channels) c += node.pad_before[0] + node.pad_after[0];
    if (node.op == Op::conv || node.op == Op::conv_transpose) {
      const std::int64_t out = node.channels > 0 ? node.channels : msnet_channels(node.weight);
      const bool up = node.op == Op::conv_transpose;
      const std::vector<std::int64_t> shape{up ? c : out, up ? out : c, node.kernel[0], node.kernel[1], node.kernel[2]};
      const auto fan = static_cast<float>(c * node.kernel[0] * node.kernel[1] * node.kernel[2]);
      weights.emplace(node.weight, numbers.tensor(shape, 0, 4 / std::sqrt(fan)));
      c = out;
    } else if (!node.weight.empty()) {
      weights.emplace(node.weight,
                      numbers.tensor({c}, node.op == Op::prelu ? 0.25F : 1, node.op == Op::prelu ? 0.2F : 1));
    }
    if (!node.bias.empty()) weights.emplace(node.bias, numbers.tensor({c}, 0, 1));
    channels.push_back(c);
  }
  return weights;
}

std::function<Graph(Weights&)> of(const Graph& graph, std::int64_t in_channels) {
  return [=](Weights& weights) {
    weights = weights_for(graph, in_channels);
    return graph;
  };
}

ConvUNetConfig conv_unet(bool residual, bool batch_norm, bool activation_first) {
  ConvUNetConfig config;
  config.in_channels = 2;
  config.out_channels = 5;
  config.residual_encoder = residual;
  config.batch_norm = batch_norm;
  config.activation_first = activation_first;
  config.features = {20, 40, 52};
  config.stem_channels = 20;
  config.kernel_sizes = {{1, 3, 3}, {3, 3, 3}, {3, 3, 3}};
  config.strides = {{1, 1, 1}, {1, 2, 2}, {2, 2, 2}};
  config.encoder_convs = {1, 2, 3};
  config.decoder_convs = {1, 2};
  return config;
}

// Channels that int8 has a kernel for.
ConvUNetConfig wide_unet() {
  ConvUNetConfig config = conv_unet(false, false, false);
  config.features = {64, 96, 128};
  config.stem_channels = 64;
  return config;
}

std::function<Graph(Weights&)> monai_network(const char* name) {
  return [name = std::string(name)](Weights& weights) {
    const ModelPackage package = read_model_package(ONCOTOME_FIXTURES "/monai/" + name);
    weights = monai::read_weights(checked_weights_path(package));
    return monai::build_network(std::get<MonaiInference>(package.inference).network, weights);
  };
}

// What no network here has, and a graph may.
Graph odd_graph() {
  Graph g;
  const auto node = [&](Op op, std::vector<int> inputs) {
    Node n;
    n.op = op;
    n.inputs = std::move(inputs);
    return n;
  };
  const int x = g.add({});
  const int activated = g.add(node(Op::gelu, {x}));
  const int both = g.add(node(Op::concat, {activated, x, activated, x, x, activated}));
  Node conv = node(Op::conv, {both});
  conv.weight = "conv.weight";
  conv.channels = 18;
  conv.kernel = {2, 3, 5};
  conv.stride = {1, 2, 1};
  conv.pad_before = {1, 0, 2};
  conv.pad_after = {0, 2, 1};
  const int y = g.add(conv);
  Node group = node(Op::group_norm, {y});
  group.groups = 3;
  const int normed = g.add(group);
  const int plain = g.add(node(Op::instance_norm, {y}));
  const int twice = g.add(node(Op::instance_norm, {plain}));
  const int sum = g.add(node(Op::add, {normed, twice}));
  const int cut = g.add(node(Op::elu, {sum}));
  Node crop = node(Op::crop_depth, {cut});
  crop.pad_before = {1, 0, 0};
  const int cropped = g.add(crop);
  const int twofold = g.add(node(Op::add, {cropped, cropped}));
  Node pad = node(Op::pad_channels, {twofold});
  pad.pad_before = {3, 0, 0};
  pad.pad_after = {12, 0, 0};
  Node pool = node(Op::max_pool, {g.add(pad)});
  pool.kernel = {1, 3, 2};
  pool.stride = {1, 2, 1};
  pool.pad_before = pool.pad_after = {0, 1, 1};
  const int wide = g.add(pool);
  g.add(node(Op::relu, {g.add(node(Op::softmax, {wide}))}));
  return g;
}

std::vector<Case> cases() {
  const UNetConfig unet{3, 2, 3, {20, 33, 48}, 2}, flat{2, 1, 4, {16, 24, 40}, 2};
  std::vector<Case> all{
      {"unet_3d", of(build_unet(unet), 2), {1, 2, 12, 20, 28}},
      {"unet_2d", of(build_unet(flat), 1), {2, 1, 1, 36, 52}},
      {"conv_unet", of(build_conv_unet(conv_unet(false, false, false)), 2), {1, 2, 6, 20, 28}},
      {"conv_unet_batch", of(build_conv_unet(conv_unet(false, true, false)), 2), {1, 2, 6, 20, 28}},
      {"conv_unet_active", of(build_conv_unet(conv_unet(false, false, true)), 2), {1, 2, 6, 20, 28}},
      {"conv_unet_residual", of(build_conv_unet(conv_unet(true, false, false)), 2), {1, 2, 6, 20, 28}},
      {"conv_unet_wide", of(build_conv_unet(wide_unet()), 2), {1, 2, 4, 12, 20}},
      {"odd_graph", of(odd_graph(), 3), {2, 3, 5, 9, 11}}};
  for (const char* name : {"ct_unet", "mri_segresnet", "ct_dynunet"})
    all.push_back({name, monai_network(name), {1, 1, 16, 24, 40}});
  all.push_back({"mr_slices", monai_network("mr_slices"), {3, 1, 1, 24, 40}});
  for (const bool twice : {false, true})
    all.push_back({twice ? "msnet_twice" : "msnet_once", of(build_msnet(twice), 4), {3, 4, 11, 20, 28}});
  for (const Op op : {Op::relu, Op::elu, Op::gelu}) {
    const MeshNetConfig config{1, 9, 3, {1, 3, 2}, op, op == Op::gelu};
    all.push_back({"meshnet_" + std::to_string(static_cast<int>(op)), of(build_meshnet(config), 1), {1, 1, 9, 17, 23}});
  }
  return all;
}

class NativeNetworks : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    graph_ = GetParam().build(weights_);
    // Only the first of a package's channels is known to the case.
    input_ = Numbers().tensor(shape(), 0.1F, 2);
  }

  std::vector<std::int64_t> shape() const {
    std::vector<std::int64_t> shape = GetParam().shape;
    for (const Node& node : graph_.nodes)
      if (node.op == Op::conv && node.inputs[0] == 0) shape[1] = weights_.at(node.weight).shape[1];
    return shape;
  }

  std::unique_ptr<Executable> compiled(Precision precision, int threads = 2, bool poison = false,
                                       const char* isa = nullptr) const {
    return native::make_backend({precision, isa, threads, poison})->compile(graph_, weights_);
  }

  Tensor in_torch() const { return load_torch_backend(Device::cpu, 2)->compile(graph_, weights_)->run(input_, Job()); }

  Graph graph_;
  Weights weights_;
  Tensor input_;
};

double relative_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape, b.shape);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.values.size(); ++i) {
    difference += std::pow(static_cast<double>(a.values[i]) - static_cast<double>(b.values[i]), 2);
    size += std::pow(static_cast<double>(b.values[i]), 2);
  }
  return std::sqrt(difference / size);
}

bool has_bf16() { return *oncotome::kernels::conv_kernels("avx512bf16") != nullptr; }

TEST_P(NativeNetworks, Give_what_LibTorch_gives_with_every_instruction_set) {
  const Tensor want = in_torch();
  for (const char* isa : {"reference", "avx2", "avx512", "avx512vnni", "avx512bf16"}) {
    if (!*oncotome::kernels::conv_kernels(isa)) continue;
    SCOPED_TRACE(isa);
    EXPECT_LE(relative_difference(compiled(Precision::f32, 2, true, isa)->run(input_, Job()), want), 3e-5);
  }
  EXPECT_LE(relative_difference(compiled(Precision::strict, 2, true)->run(input_, Job()), want), 1e-5);
}

TEST_P(NativeNetworks, Stay_near_in_few_bits) {
  if (!has_bf16()) GTEST_SKIP() << "no bf16 here";
  const Tensor want = compiled(Precision::strict)->run(input_, Job());
  EXPECT_LE(relative_difference(compiled(Precision::bf16, 2, true)->run(input_, Job()), want), 3e-2);
  EXPECT_LE(relative_difference(compiled(Precision::int8, 2, true)->run(input_, Job()), want), 8e-2);
}

TEST_P(NativeNetworks, Give_the_same_bits_for_any_threads_and_whatever_memory_held) {
  for (const Precision precision : {Precision::strict, Precision::f32, Precision::bf16}) {
    if (precision == Precision::bf16 && !has_bf16()) continue;
    SCOPED_TRACE(precision_name(precision));
    const auto one = compiled(precision, 1), two = compiled(precision, 2, true);
    const Tensor want = one->run(input_, Job());
    EXPECT_EQ(one->run(input_, Job()).values, want.values);
    EXPECT_EQ(two->run(input_, Job()).values, want.values);
    EXPECT_LE(static_cast<double>(one->notes().arena_bytes), 1.1 * static_cast<double>(one->notes().live_bytes) + 4096);
  }
}

TEST_P(NativeNetworks, Serve_several_threads_at_once) {
  const auto network = compiled(Precision::f32);
  const Tensor want = network->run(input_, Job());
  std::vector<Tensor> got(3);
  std::vector<std::thread> threads;
  threads.reserve(got.size());
  for (Tensor& output : got) threads.emplace_back([&] { output = network->run(input_, Job()); });
  for (std::thread& thread : threads) thread.join();
  for (const Tensor& output : got) EXPECT_EQ(output.values, want.values);
}

TEST(NativeBackend, Int8_has_a_kernel_for_many_channels) {
  if (!has_bf16()) GTEST_SKIP() << "no bf16 here";
  const Graph graph = build_conv_unet(wide_unet());
  const auto network = native::make_backend({Precision::int8, nullptr, 2})->compile(graph, weights_for(graph, 2));
  network->run(Numbers().tensor({1, 2, 4, 12, 20}, 0, 1), Job());
  EXPECT_GT(network->notes().kernels["otm_int8_direct__avx512vnni"], 0);
}

INSTANTIATE_TEST_SUITE_P(All, NativeNetworks, testing::ValuesIn(cases()),
                         [](const auto& kind) { return kind.param.name; });

TEST(NativeBackend, A_convolution_that_no_fast_kernel_takes_runs_in_LibTorch_and_is_told) {
  Graph graph;
  graph.add({});
  Node conv{Op::conv, {0}, "weight"};
  conv.kernel = {5, 3, 4};
  conv.channels = 24;
  graph.add(conv);
  graph.add({Op::instance_norm, {1}});
  const Weights weights = weights_for(graph, 3);
  const Tensor input = Numbers().tensor({2, 3, 12, 30, 40}, 0, 1);
  const auto plain = native::make_backend({Precision::strict, nullptr, 2})->compile(graph, weights);
  const Tensor want = plain->run(input, Job());
  EXPECT_EQ(plain->notes().torch_nodes, 0);
  for (const char* isa : {"avx2", "avx512", "avx512bf16"}) {
    if (!*oncotome::kernels::conv_kernels(isa)) continue;
    const auto network = native::make_backend({Precision::f32, isa, 2, true})->compile(graph, weights);
    EXPECT_LE(relative_difference(network->run(input, Job()), want), 1e-5);
    const ExecutionNotes notes = network->notes();
    EXPECT_EQ(notes.torch_nodes, notes.kernels.empty() ? 1 : 0);
  }
}

TEST(NativeBackend, An_input_that_does_not_fit_is_refused) {
  const UNetConfig config{3, 2, 3, {4, 8}, 1};
  const Graph graph = build_unet(config);
  const auto network = native::make_backend({})->compile(graph, weights_for(graph, 2));
  const std::vector<std::vector<std::int64_t>> shapes{
      {1, 3, 8, 8, 8}, {1, 2, 7, 8, 8}, {2, 8, 8, 8}, {0, 2, 8, 8, 8}, {1, 2, 1 << 20, 1 << 20, 8}};
  for (const auto& shape : shapes) {
    Tensor input;
    input.shape = shape;
    try {
      network->run(input, Job());
      ADD_FAILURE();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::backend_failed);
    }
  }
}

TEST(NativeBackend, An_unknown_instruction_set_is_refused) {
  try {
    native::make_backend({Precision::f32, "sse9"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::usage);
  }
}

}  // namespace
