// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "native/plan.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/networks.h"

namespace {

using namespace oncotome::engine;
using oncotome::Error;
using oncotome::ErrorCode;
using oncotome::Job;

struct Network {
  Graph graph;
  Weights weights;
};

Network small_unet() {
  const UNetConfig config{3, 1, 2, {16, 32}, 2};
  Network network{build_unet(config), {}};
  std::vector<std::int64_t> channels;
  for (const Node& node : network.graph.nodes) {
    std::int64_t c = 0;
    for (const int input : node.inputs) c += channels[static_cast<std::size_t>(input)];
    if (node.inputs.empty()) c = 1;
    if (node.op == Op::conv || node.op == Op::conv_transpose) {
      const bool up = node.op == Op::conv_transpose;
      network.weights[node.weight] = Tensor(
          {up ? c : node.channels, up ? node.channels : c, node.kernel[0], node.kernel[1], node.kernel[2]}, 0.01F);
      c = node.channels;
    } else if (!node.weight.empty()) {
      network.weights[node.weight] = Tensor({c}, 1);
    }
    if (!node.bias.empty()) network.weights[node.bias] = Tensor({c}, 0.1F);
    channels.push_back(c);
  }
  return network;
}

bool is_loaded(const char* library) { return dlopen(library, RTLD_LAZY | RTLD_NOLOAD) != nullptr; }

TEST(NativeBackend, A_network_of_our_kernels_alone_never_loads_LibTorch) {
  const Network network = small_unet();
  load_backend(Device::cpu, 2)->compile(network.graph, network.weights)->run(Tensor({1, 1, 8, 8, 8}, 1), Job());
  EXPECT_FALSE(is_loaded("liboncotome_torch.so"));
  const auto torch = load_torch_backend(Device::cpu, 2);
  EXPECT_TRUE(is_loaded("liboncotome_torch.so"));
}

TEST(NativeBackend, LibTorch_is_not_loaded_beside_another_one) {
  void* other = dlopen(ONCOTOME_OTHER_LIBTORCH, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(other, nullptr) << dlerror();
  try {
    load_torch_backend(Device::cpu, 1);
    FAIL() << "it was loaded";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::device_unavailable);
    EXPECT_NE(std::string(e.what()).find("has loaded another"), std::string::npos) << e.what();
  }
  dlclose(other);
}

TEST(NativeBackend, Cancel_ends_a_run_within_a_step) {
  const Network network = small_unet();
  const auto executable = load_backend(Device::cpu, 2)->compile(network.graph, network.weights);
  Job* running = nullptr;
  int reports = 0;
  Job job([&](std::string_view, double) {
    if (++reports == 3) running->cancel();
  });
  running = &job;
  try {
    executable->run(Tensor({1, 1, 8, 8, 8}, 1), job);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::cancelled);
  }
  EXPECT_EQ(reports, 3);
}

native::Plan plan_of(const std::vector<std::pair<std::vector<int>, int>>& steps,
                     const std::vector<std::size_t>& sizes) {
  native::Plan plan;
  for (const auto& [sources, output] : steps) {
    native::Step step;
    for (const int source : sources) step.sources.push_back({source});
    step.output = output;
    plan.steps.push_back(step);
  }
  for (const std::size_t bytes : sizes) plan.buffers.push_back({bytes});
  return plan;
}

// A U-Net of two levels: 0 is the skip, kept while 1, 2 and 3 come and go.
TEST(Arena, Buffers_that_live_at_once_lie_apart_and_those_that_do_not_share) {
  native::Plan plan =
      plan_of({{{native::kInput}, 0}, {{0}, 1}, {{1}, 2}, {{2}, 3}, {{0, 3}, 4}, {{4}, native::kOutput}},
              {640, 128, 128, 320, 640});
  native::lay_out(plan);
  EXPECT_EQ(plan.live_bytes, 640U + 320U + 640U);
  EXPECT_EQ(plan.arena_bytes, plan.live_bytes);
  for (std::size_t a = 0; a < plan.buffers.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      const native::Buffer &x = plan.buffers[a], &y = plan.buffers[b];
      if (x.last < y.first || y.last < x.first) continue;
      EXPECT_TRUE(x.offset + x.bytes <= y.offset || y.offset + y.bytes <= x.offset) << a << " and " << b;
    }
}

TEST(KernelChoices, Name_a_kernel_for_each_kind_and_a_reason_for_each_refusal) {
  for (const KernelChoice& choice : kernel_choices(Precision::strict)) {
    EXPECT_FALSE(choice.kernel.empty()) << choice.convolution;
    EXPECT_EQ(choice.kernel.find("winograd"), std::string::npos) << choice.convolution;
    for (const auto& [kernel, reason] : choice.declined) EXPECT_FALSE(reason.empty()) << kernel;
  }
}

TEST(Precisions, Have_names_that_are_read_back_and_others_are_refused) {
  for (const char* name : {"strict", "f32", "bf16", "int8"}) EXPECT_STREQ(precision_name(parse_precision(name)), name);
  EXPECT_THROW(parse_precision("f16"), Error);
}

}  // namespace
