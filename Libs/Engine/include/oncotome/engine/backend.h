// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/engine/graph.h"
#include "oncotome/engine/tensor.h"

namespace oncotome::engine {

enum class Device { automatic, cpu, cuda };

/// Parses "auto", "cpu" or "cuda"; throws Error{usage}.
Device parse_device(const std::string& text);

/// How a network is computed. strict: float32 in direct sums of one fixed order; f32: float32, also by Winograd's sums;
/// bf16 and int8: products of that, sums in float32.
enum class Precision { strict, f32, bf16, int8 };

/// Parses "strict", "f32", "bf16" or "int8"; throws Error{usage}.
Precision parse_precision(const std::string& text);
const char* precision_name(Precision precision);

/// How a network was last run.
struct ExecutionNotes {
  std::map<std::string, int> kernels{};         ///< Convolutions by kernel.
  int torch_nodes = 0;                          ///< Nodes that LibTorch ran.
  std::size_t arena_bytes = 0, live_bytes = 0;  ///< Memory for activations, and the least there can be.
};

/// What of a graph is differentiated.
struct Differentiation {
  int from = 0;                   ///< Node with respect to whose values.
  std::vector<int> of{};          ///< Nodes whose values.
  bool holds_statistics = false;  ///< What a normalization takes from the whole image counts as constant.
};

/// A graph that was run with one input, and can be differentiated there. For one thread at a time.
class Derivative {
 public:
  virtual ~Derivative() = default;
  /// What the node gave; it is `from` or one of `of`.
  virtual Tensor value(int node) const = 0;
  /// Of the sum of weights * value(node), with respect to each element of value(from); `weights` has the shape of
  /// value(node), which is one of `of`. Throws Error{backend_failed, out_of_memory}.
  virtual Tensor gradient(int node, const Tensor& weights) const = 0;
};

/// A graph made ready on a device. Immutable: run() may be called from several threads at once.
class Executable {
 public:
  virtual ~Executable() = default;
  /// Input [N,C,D,H,W] to the first output [N,K,D',H',W']; reports to `job` before each node.
  /// Throws Error{backend_failed, out_of_memory, cancelled}.
  virtual Tensor run(const Tensor& input, const Job& job) const = 0;
  /// To all outputs, in the graph's order. Throws the same.
  virtual std::vector<Tensor> run_all(const Tensor& input, const Job& job) const { return {run(input, job)}; }
  /// Runs it so that it can be differentiated, which only LibTorch's can. Throws the same.
  virtual std::unique_ptr<Derivative> differentiate(const Tensor& input, const Differentiation& wanted,
                                                    const Job& job) const;
  /// Of the shape that needed the most memory; nothing where the backend does not tell.
  virtual ExecutionNotes notes() const { return {}; }
};

/// A TorchScript module as a graph; of a 2-D module, which takes [N,C,H,W], one for [N,C,1,H,W].
struct ScriptGraph {
  Graph graph;
  Weights weights;
  int dimensions = 3;
  std::string obstacle;  ///< What of the module no graph has, such as "aten::sigmoid"; the rest is empty then.
};

/// Runs graphs on a device. A backend lives in a shared library of its own, loaded on first need.
class Backend {
 public:
  virtual ~Backend() = default;
  /// Such as "LibTorch 1.13.1".
  virtual std::string name() const = 0;
  /// "cpu" or "cuda:0".
  virtual std::string device() const = 0;
  /// Of what inference_graph() gives.
  virtual std::unique_ptr<Executable> compile(const Graph& graph, const Weights& weights) const = 0;
  /// A TorchScript module whose forward takes one tensor and returns one; its code runs. Throws Error{weights_invalid,
  /// model_unsupported}.
  virtual std::unique_ptr<Executable> load_script(const std::string& path) const = 0;
  /// The same module, read but not run. Throws the same.
  virtual ScriptGraph lower_script(const std::string& path) const = 0;
};

/// The project's own kernels on the CPU; LibTorch on CUDA, which `automatic` takes where there is one. `threads` 0
/// means one per core this process may use. Throws Error{device_unavailable} with what to install or choose.
std::shared_ptr<const Backend> load_backend(Device device, int threads, Precision precision = Precision::f32);

/// Which kernel takes a convolution here, and why those before it do not.
struct KernelChoice {
  std::string convolution;
  std::string kernel;                                           ///< "<name>__<instruction set>"
  std::vector<std::pair<std::string, std::string>> declined{};  ///< Kernel, reason.
};

/// Of the kinds of convolution that networks are made of; throws as load_backend does.
std::vector<KernelChoice> kernel_choices(Precision precision);

/// LibTorch, wherever it runs. Throws the same.
std::shared_ptr<const Backend> load_torch_backend(Device device, int threads);

/// A function that a library beside the engine's exports; the library is loaded on first need, and stays. Throws
/// Error{device_unavailable}.
void* library_function(const std::string& library, const std::string& symbol);

/// The symbol that a backend library exports, with this type.
constexpr const char* kCreateBackend = "oncotome_create_backend";
using CreateBackend = Backend* (*)(Device device, int threads);

}  // namespace oncotome::engine
