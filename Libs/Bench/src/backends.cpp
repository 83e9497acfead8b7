// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "contestants.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/backend.h"

namespace oncotome::bench {
namespace {

class Network : public Contestant {
 public:
  Network(std::shared_ptr<const engine::Backend> backend, const Task& task, std::string how)
      : backend_(std::move(backend)),
        executable_(backend_->compile(task.graph, task.weights)),
        input_(task.input),
        how_(std::move(how)) {}

  void run() override { output_ = executable_->run(input_, job_); }
  engine::Tensor output() override { return output_; }
  std::string how() const override {
    std::string how = how_;
    const engine::ExecutionNotes notes = executable_->notes();
    for (const auto& [kernel, count] : notes.kernels) how += ", " + std::to_string(count) + " " + kernel;
    if (notes.torch_nodes > 0) how += ", " + std::to_string(notes.torch_nodes) + " nodes by LibTorch";
    return how;
  }

 private:
  const std::shared_ptr<const engine::Backend> backend_;
  const std::unique_ptr<engine::Executable> executable_;
  const engine::Tensor input_;
  const std::string how_;
  const Job job_;
  engine::Tensor output_;
};

class LibTorch : public Peer {
 public:
  explicit LibTorch(int threads) : backend_(engine::load_torch_backend(engine::Device::cpu, threads)) {}
  std::string name() const override { return "LibTorch"; }
  std::string version() const override { return backend_->name().substr(std::string("LibTorch ").size()); }
  std::unique_ptr<Contestant> prepare(const Task& task, const std::string& dtype) const override {
    // Its results are copied out of it, which weighs on a single convolution.
    if (dtype != "f32" || task.graph.nodes.size() <= 2) return nullptr;
    return std::make_unique<Network>(backend_, task, "eager, contiguous, malloc keeps large blocks");
  }

 private:
  const std::shared_ptr<const engine::Backend> backend_;
};

}  // namespace

std::unique_ptr<Peer> libtorch_peer(int threads) { return std::make_unique<LibTorch>(threads); }

std::unique_ptr<Contestant> our_network(const Task& task, const std::string& dtype, int threads) {
  const engine::Precision precision = engine::parse_precision(dtype);
  try {
    return std::make_unique<Network>(engine::load_backend(engine::Device::cpu, threads, precision), task, "arena");
  } catch (const Error& e) {
    if (e.code() != ErrorCode::device_unavailable) throw;
    return nullptr;  // This processor has no such instructions.
  }
}

}  // namespace oncotome::bench
