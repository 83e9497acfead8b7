// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/backend.h"

#include <algorithm>
#include <vector>

#include "TorchCompat.h"
#include "derivative.h"
#include "lower_script.h"
#include "oncotome/core/axes.h"
#include "oncotome/core/error.h"
#include "oncotome/torch/device.h"
#include "oncotome/torch/errors.h"
#include "oncotome/torch/evaluate.h"
#include "tensors.h"

namespace oncotome::torch_backend {
namespace {

using engine::Graph;
using engine::Node;
using engine::Op;
using engine::Tensor;

class TorchExecutable : public engine::Executable {
 public:
  TorchExecutable(const Graph& graph, const engine::Weights& weights, at::Device device)
      : graph_(graph), device_(device) {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (node.op == Op::dropout || node.stored)
        throw Error(ErrorCode::internal, "a graph node has no operation outside of training");
      weights_.push_back(find(weights, node.weight));
      biases_.push_back(find(weights, node.bias));
      for (int input : node.inputs) last_use_.at(static_cast<std::size_t>(input)) = i;
      last_use_.push_back(i);
    }
    for (const int output : graph_.output_nodes()) last_use_.at(static_cast<std::size_t>(output)) = graph_.nodes.size();
  }

  Tensor run(const Tensor& input, const Job& job) const override { return std::move(run_all(input, job)[0]); }

  std::vector<Tensor> run_all(const Tensor& input, const Job& job) const override {
    return translated([&] {
      const at::InferenceMode guard;
      const at::Tensor x = view_of(input).to(device_);
      std::vector<at::Tensor> values(graph_.nodes.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        job.report("network", static_cast<double>(i) / static_cast<double>(values.size()));
        const Node& node = graph_.nodes[i];
        std::vector<at::Tensor> inputs;
        for (int n : node.inputs) inputs.push_back(values[static_cast<std::size_t>(n)]);
        for (int n : node.inputs)  // one node may take the same twice
          if (last_use_[static_cast<std::size_t>(n)] == i) values[static_cast<std::size_t>(n)].reset();
        values[i] = node.op == Op::input ? x : evaluate(node, weights_[i], biases_[i], inputs, job);
      }
      std::vector<Tensor> outputs;
      for (const int output : graph_.output_nodes())
        outputs.push_back(to_tensor(values[static_cast<std::size_t>(output)]));
      return outputs;
    });
  }

  std::unique_ptr<engine::Derivative> differentiate(const Tensor& input, const engine::Differentiation& wanted,
                                                    const Job& job) const override {
    return translated([&] {
      const at::Tensor x = view_of(input).to(device_, /*non_blocking=*/false, /*copy=*/true);
      return torch_backend::differentiate({graph_, weights_, biases_}, x, wanted, job);
    });
  }

 private:
  at::Tensor find(const engine::Weights& weights, const std::string& name) const {
    if (name.empty()) return {};
    const auto found = weights.find(name);
    if (found == weights.end()) throw Error(ErrorCode::weights_invalid, "the weights lack '" + name + "'");
    return view_of(found->second).to(device_, /*non_blocking=*/false, /*copy=*/true);
  }

  // oneDNN's dilated convolution is slow. Every d-th voxel per axis makes a grid of its own on which the convolution is
  // plain; a row of such grids along x goes at once.
  static at::Tensor dilated(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, std::int64_t d,
                            const Job& job) {
    const std::int64_t C = weight.size(0), W = x.size(axes::W), steps = (W + d - 1) / d;
    at::Tensor y = at::empty({1, C, x.size(axes::D), x.size(axes::H), W}, x.options());
    for (std::int64_t z = 0; z < std::min(d, x.size(axes::D)); ++z)
      for (std::int64_t row = 0; row < std::min(d, x.size(axes::H)); ++row) {
        job.check();
        const auto part = [&](const at::Tensor& t) {
          return t.slice(axes::D, z, c10::nullopt, d).slice(axes::H, row, c10::nullopt, d);
        };
        const at::Tensor from = at::constant_pad_nd(part(x), {0, steps * d - W});
        const std::int64_t D = from.size(axes::D), H = from.size(axes::H);
        const at::Tensor grids = from.view({x.size(axes::C), D, H, steps, d}).permute({4, 0, 1, 2, 3}).contiguous();
        const at::Tensor result = at::conv3d(grids, weight, bias, {1, 1, 1}, {1, 1, 1});
        part(y).copy_(result.permute({1, 2, 3, 4, 0}).reshape({1, C, D, H, steps * d}).narrow(axes::W, 0, W));
      }
    return y;
  }

  // In slabs, because LibTorch copies what it convolves.
  static at::Tensor conv_in_slabs(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                  const Job& job) {
    const std::int64_t D = x.size(axes::D), halo = weight.size(axes::D) / 2, depth = 32;
    at::Tensor y = at::empty({1, weight.size(0), D, x.size(axes::H), x.size(axes::W)}, x.options());
    for (std::int64_t z = 0; z < D; z += depth) {
      job.check();
      const std::int64_t end = std::min(D, z + depth), from = std::max<std::int64_t>(0, z - halo);
      const std::int64_t to = std::min(D, end + halo);
      const at::Tensor slab =
          at::constant_pad_nd(x.narrow(axes::D, from, to - from), {0, 0, 0, 0, from - z + halo, end + halo - to});
      y.narrow(axes::D, z, end - z).copy_(at::conv3d(slab, weight, bias, {1, 1, 1}, {0, halo, halo}));
    }
    return y;
  }

  // Keeps the grid, as every convolution of a MeshNet does.
  static bool keeps_grid(const Node& node, const at::Tensor& x, const at::Tensor& weight) {
    const std::int64_t d = node.dilation[0], k = weight.size(axes::D);
    const auto all = [](const engine::Dhw& v, std::int64_t value) { return v == engine::Dhw{value, value, value}; };
    return x.size(axes::N) == 1 && weight.size(axes::H) == k && weight.size(axes::W) == k && (k == 1 || k == 3) &&
           all(node.stride, 1) && all(node.dilation, d) && all(node.pad_before, k / 2 * d) &&
           node.pad_before == node.pad_after;
  }

  // To be changed in place: itself where nobody else needs it.
  static at::Tensor owned(const at::Tensor& x) {
    return x.use_count() == 1 && x.storage().use_count() == 1 ? x : x.clone();
  }

  static at::Tensor activated(Op op, const at::Tensor& x) {
    at::Tensor y = owned(x);
    return op == Op::relu ? at::relu_(y) : op == Op::elu ? at::elu_(y) : at::gelu_(y);
  }

  // Without weights a channel at a time: LibTorch's needs as much memory again.
  static at::Tensor standardized(const at::Tensor& x, double epsilon, const Job& job) {
    at::Tensor y = owned(x);
    for (std::int64_t n = 0; n < y.size(axes::N); ++n)
      for (std::int64_t c = 0; c < y.size(axes::C); ++c) {
        job.check();
        at::Tensor part = y[n][c];
        const auto [variance, mean] = at::var_mean(part, /*unbiased=*/false);
        part.sub_(mean).mul_((variance + epsilon).rsqrt());
      }
    return y;
  }

  static at::Tensor evaluate(const Node& node, const at::Tensor& weight, const at::Tensor& bias,
                             const std::vector<at::Tensor>& in, const Job& job) {
    const at::Tensor& x = in[0];
    constexpr std::int64_t kLarge = std::int64_t{1} << 26;
    if (node.op == Op::conv && x.device().is_cpu() && keeps_grid(node, x, weight)) {
      if (node.dilation[0] > 1 && weight.size(axes::D) == 3) return dilated(x, weight, bias, node.dilation[0], job);
      if (x.numel() > kLarge) return conv_in_slabs(x, weight, bias, job);
    }
    if (node.op == Op::instance_norm && node.weight.empty()) return standardized(x, node.epsilon, job);
    if (node.op == Op::relu || node.op == Op::elu || node.op == Op::gelu) return activated(node.op, x);
    return torch_backend::evaluate(node, weight, bias, in).contiguous();
  }

  const Graph graph_;
  const at::Device device_;
  std::vector<at::Tensor> weights_, biases_;
  std::vector<std::size_t> last_use_;
};

// Without the optimizer, which would compute the second run in another way than the first.
class ScriptExecutable : public engine::Executable {
 public:
  ScriptExecutable(const std::string& path, at::Device device) : device_(device), module_(load(path, device)) {
    const auto forward = module_.find_method("forward");
    if (!forward) refuse("it has no forward method");
    const auto& schema = forward->function().getSchema();
    const auto& arguments = schema.arguments();  // the first is the module
    const auto is_tensor = [](const c10::Argument& a) { return a.type()->kind() == c10::TypeKind::TensorType; };
    for (std::size_t i = 2; i < arguments.size(); ++i)
      if (!arguments[i].default_value()) refuse("its forward method takes more than one tensor");
    if (arguments.size() < 2 || !is_tensor(arguments[1])) refuse("its forward method does not take a tensor");
    if (schema.returns().size() != 1 || !is_tensor(schema.returns()[0]))
      refuse("its forward method does not return one tensor");
  }

  const torch::jit::Module& module() const { return module_; }

  Tensor run(const Tensor& input, const Job& job) const override {
    return translated([&] {
      job.report("network", 0);
      const at::InferenceMode guard;
      const torch::jit::GraphOptimizerEnabledGuard plain(false);
      const at::Tensor x = view_of(input).to(device_);
      torch::jit::Module module = module_;
      return to_tensor(module.forward({x}).toTensor());
    });
  }

 private:
  [[noreturn]] static void refuse(const char* why) {
    throw Error(ErrorCode::model_unsupported, std::string("the TorchScript module cannot be run: ") + why);
  }

  static torch::jit::Module load(const std::string& path, at::Device device) {
    try {
      torch::jit::Module module = torch::jit::load(path, device);
      module.eval();
      return module;
    } catch (const c10::Error& e) {
      const std::string what = e.what_without_backtrace();
      throw Error(ErrorCode::weights_invalid,
                  "the file holds no TorchScript module that this LibTorch reads: " + what.substr(0, what.find('\n')));
    }
  }

  const at::Device device_;
  const torch::jit::Module module_;
};

class TorchBackend : public engine::Backend {
 public:
  TorchBackend(engine::Device wanted, int threads) : device_(device_of(wanted)) {
    at::set_num_threads(threads);
    make_exact();
    // Registration happens as this library is loaded, and a linker may drop what it takes for unused.
    if (!c10::Dispatcher::singleton().findSchema({"oncotome::conv3d", ""}))
      throw Error(ErrorCode::internal, "the operators of the LibTorch backend are not registered");
  }

  std::string name() const override { return "LibTorch " + libtorch_version(); }
  std::string device() const override { return device_.str(); }
  std::unique_ptr<engine::Executable> compile(const Graph& graph, const engine::Weights& weights) const override {
    return translated([&] { return std::make_unique<TorchExecutable>(graph, weights, device_); });
  }
  std::unique_ptr<engine::Executable> load_script(const std::string& path) const override {
    return translated([&] { return std::make_unique<ScriptExecutable>(path, device_); });
  }
  engine::ScriptGraph lower_script(const std::string& path) const override {
    return translated([&] { return torch_backend::lower_script(ScriptExecutable(path, at::kCPU).module()); });
  }

 private:
  const at::Device device_;
};

}  // namespace
}  // namespace oncotome::torch_backend

extern "C" oncotome::engine::Backend* oncotome_create_backend(oncotome::engine::Device device, int threads) {
  using namespace oncotome::torch_backend;
  return translated([&] { return new TorchBackend(device, threads); });
}
