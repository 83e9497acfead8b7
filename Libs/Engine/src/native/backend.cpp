// SPDX-License-Identifier: Apache-2.0
#include "backend.h"

#include <cstring>
#include <new>

#include "oncotome/core/error.h"
#include "pages.h"
#include "plan.h"

namespace oncotome::engine::native {
namespace {

// Memory that has been touched once is kept for the next run, of whichever network.
class Arenas {
 public:
  Pages take(std::size_t bytes) {
    Pages kept;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!free_.empty()) {
        kept = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (kept.size() >= bytes) return kept;
    kept = Pages();
    return Pages(bytes);
  }

  void give_back(Pages pages) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(pages));
  }

 private:
  std::mutex mutex_;
  std::vector<Pages> free_;
};

class NativeExecutable : public Executable {
 public:
  NativeExecutable(const Graph& graph, const Weights& weights, const Options& options,
                   const kernels::Pointwise& pointwise, std::shared_ptr<Arenas> arenas)
      : options_(options), pointwise_(pointwise), arenas_(std::move(arenas)) {
    network_.graph = graph;
    network_.precision = options.precision;
    network_.candidates = kernels::conv_kernels(options.isa);
    network_.only_reference = std::strcmp(pointwise.isa, "reference") == 0;
    for (const Node& node : graph.nodes)
      for (const std::string& name : {node.weight, node.bias}) {
        if (name.empty()) continue;
        const auto found = weights.find(name);
        if (found == weights.end()) throw Error(ErrorCode::weights_invalid, "the weights lack '" + name + "'");
        network_.weights.insert(*found);
      }
  }

  Tensor run(const Tensor& input, const Job& job) const override { return std::move(run_all(input, job)[0]); }

  std::vector<Tensor> run_all(const Tensor& input, const Job& job) const override {
    try {
      const std::shared_ptr<const Plan> plan = plan_for(input.shape);
      const std::size_t bytes =
          plan->arena_bytes + (plan->scratch_bytes + 64) * static_cast<std::size_t>(options_.threads) + 64;
      std::vector<Tensor> outputs;
      for (const auto& shape : plan->output_shapes) outputs.emplace_back(shape);
      Pages arena = arenas_->take(bytes);
      if (options_.poison) {
        std::memset(arena.data(), 0xFF, arena.size());
        for (Tensor& output : outputs) std::memset(output.values.data(), 0xFF, output.values.size() * sizeof(float));
      }
      run_plan(*plan, network_, pointwise_, options_.threads, input, arena.data(), outputs, job);
      arenas_->give_back(std::move(arena));
      return outputs;
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::out_of_memory, "not enough memory for the network; free some or choose another device");
    }
  }

  ExecutionNotes notes() const override {
    const std::lock_guard<std::mutex> lock(network_.mutex);
    ExecutionNotes notes;
    for (const auto& [shape, plan] : plans_) {
      if (plan->arena_bytes < notes.arena_bytes) continue;
      notes = {};
      notes.arena_bytes = plan->arena_bytes;
      notes.live_bytes = plan->live_bytes;
      for (const Step& step : plan->steps) {
        if (step.kernel) ++notes.kernels[std::string(step.kernel->name) + "__" + step.kernel->isa];
        notes.torch_nodes += step.kind == Kind::torch;
      }
    }
    return notes;
  }

 private:
  std::shared_ptr<const Plan> plan_for(const std::vector<std::int64_t>& shape) const {
    const std::lock_guard<std::mutex> lock(network_.mutex);
    std::shared_ptr<const Plan>& plan = plans_[shape];
    if (!plan) plan = make_plan(network_, shape);
    return plan;
  }

  const Options options_;
  const kernels::Pointwise& pointwise_;
  const std::shared_ptr<Arenas> arenas_;
  mutable Network network_;
  mutable std::map<std::vector<std::int64_t>, std::shared_ptr<const Plan>> plans_;
};

class NativeBackend : public Backend {
 public:
  explicit NativeBackend(const Options& options) : options_(options), pointwise_(kernels::find_pointwise(options.isa)) {
    const auto* const* candidates = kernels::conv_kernels(options.isa);
    if (!*candidates || !pointwise_)
      throw Error(ErrorCode::usage,
                  "ONCOTOME_FORCE_ISA is not an instruction set that this processor and this build have; use "
                  "reference, avx2, avx512, avx512vnni or avx512bf16, or leave it unset");
    set_ = (*candidates)->isa;
    const bool is_short = options.precision == Precision::bf16 || options.precision == Precision::int8;
    if (is_short && !options.isa && set_ != "avx512bf16")
      throw Error(ErrorCode::device_unavailable, "this processor has no instructions for " +
                                                     std::string(precision_name(options.precision)) +
                                                     "; choose --precision f32");
  }

  std::string name() const override { return std::string("Oncotome ") + ONCOTOME_VERSION + " (" + set_ + ")"; }
  std::string device() const override { return "cpu"; }

  std::unique_ptr<Executable> compile(const Graph& graph, const Weights& weights) const override {
    return std::make_unique<NativeExecutable>(graph, weights, options_, *pointwise_, arenas_);
  }

  std::unique_ptr<Executable> load_script(const std::string& path) const override { return torch().load_script(path); }
  ScriptGraph lower_script(const std::string& path) const override { return torch().lower_script(path); }

 private:
  const Backend& torch() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!torch_) torch_ = load_torch_backend(Device::cpu, options_.threads);
    return *torch_;
  }

  const Options options_;
  std::string set_;
  const kernels::Pointwise* const pointwise_;
  const std::shared_ptr<Arenas> arenas_ = std::make_shared<Arenas>();
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Backend> torch_;
};

}  // namespace

std::shared_ptr<const Backend> make_backend(const Options& options) { return std::make_shared<NativeBackend>(options); }

}  // namespace oncotome::engine::native
