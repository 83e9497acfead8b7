// SPDX-License-Identifier: Apache-2.0
// What the precisions cost a trained network on a real image: each of its windows goes through all of them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/core/process.h"
#include "oncotome/engine/session.h"
#include "volume_io.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;

/// How far outputs lie from those of `strict`, over all windows. A window's class is that of its greatest logit.
class Differences {
 public:
  void add(const Tensor& strict, const Tensor& other) {
    const auto classes = static_cast<std::size_t>(strict.shape[1]);
    const std::size_t voxels = strict.values.size() / classes / static_cast<std::size_t>(strict.shape[0]);
    counts_.resize(std::max(counts_.size(), classes));
    for (std::size_t i = 0; i < strict.values.size(); ++i) {
      const double want = static_cast<double>(strict.values[i]), got = static_cast<double>(other.values[i]);
      finite_ = finite_ && std::isfinite(got);
      squares_ += want * want;
      difference_ += (got - want) * (got - want);
      greatest_ = std::max(greatest_, std::abs(got - want));
    }
    logits_ += strict.values.size();
    for (std::size_t at = 0; at < strict.values.size(); at += classes * voxels)
      for (std::size_t v = at; v < at + voxels; ++v)
        compare_classes(&strict.values[v], &other.values[v], classes, voxels);
  }

  nlohmann::ordered_json summary() const {
    const double rms = std::sqrt(squares_ / static_cast<double>(logits_));
    double least = 1, sum = 0, volume = 0;
    int counted = 0;
    for (const Count& c : counts_) {
      if (c.strict < 500) continue;
      const double dice = 2.0 * static_cast<double>(c.both) / static_cast<double>(c.strict + c.other);
      least = std::min(least, dice);
      sum += dice;
      volume = std::max(volume, std::abs(static_cast<double>(c.other) / static_cast<double>(c.strict) - 1));
      ++counted;
    }
    return {{"finite", finite_},
            {"logits_rel_l2", std::sqrt(difference_ / squares_)},
            {"max_over_rms", greatest_ / rms},
            {"flips", static_cast<double>(flips_) / static_cast<double>(voxels_)},
            {"greatest_margin_of_a_flip_over_rms", margin_ / rms},
            {"classes", counted},
            {"dice_least", least},
            {"dice_mean", sum / std::max(counted, 1)},
            {"volume_change", volume}};
  }

 private:
  struct Count {
    std::int64_t strict = 0, other = 0, both = 0;
  };

  void compare_classes(const float* strict, const float* other, std::size_t classes, std::size_t stride) {
    std::size_t want = 0, got = 0;
    for (std::size_t k = 1; k < classes; ++k) {
      if (strict[k * stride] > strict[want * stride]) want = k;
      if (other[k * stride] > other[got * stride]) got = k;
    }
    ++voxels_;
    ++counts_[want].strict;
    ++counts_[got].other;
    counts_[want].both += want == got;
    if (want == got) return;
    ++flips_;
    margin_ = std::max(margin_, static_cast<double>(strict[want * stride]) - static_cast<double>(strict[got * stride]));
  }

  bool finite_ = true;
  double squares_ = 0, difference_ = 0, greatest_ = 0, margin_ = 0;
  std::size_t logits_ = 0;
  std::int64_t voxels_ = 0, flips_ = 0;
  std::vector<Count> counts_;
};

struct Contestant {
  std::string name;
  std::shared_ptr<const Backend> backend;
  mutable Differences differences;
};

Tensor softmax(const Tensor& x) {
  Graph graph;
  graph.add({});
  graph.add({Op::softmax, {0}});
  return load_backend(Device::cpu, 0, Precision::strict)->compile(graph, {})->run(x, Job());
}

class Compared : public Executable {
 public:
  Compared(Graph graph, const Weights& weights, const Backend& strict, const std::vector<Contestant>& others)
      : others_(others) {
    const Node last = graph.nodes.back();
    ends_in_softmax_ = last.op == Op::softmax && last.inputs[0] + 2 == static_cast<int>(graph.nodes.size());
    if (ends_in_softmax_) graph.nodes.pop_back();
    strict_ = strict.compile(graph, weights);
    for (const Contestant& other : others) networks_.push_back(other.backend->compile(graph, weights));
  }

  Tensor run(const Tensor& input, const Job& job) const override {
    Tensor logits = strict_->run(input, job);
    for (std::size_t i = 0; i < others_.size(); ++i) others_[i].differences.add(logits, networks_[i]->run(input, job));
    return ends_in_softmax_ ? softmax(logits) : logits;
  }

 private:
  bool ends_in_softmax_ = false;
  const std::vector<Contestant>& others_;
  std::unique_ptr<Executable> strict_;
  std::vector<std::unique_ptr<Executable>> networks_;
};

class ComparingBackend : public Backend {
 public:
  explicit ComparingBackend(const std::vector<Contestant>& others) : others_(others) {}
  std::string name() const override { return strict_->name(); }
  std::string device() const override { return "cpu"; }
  std::unique_ptr<Executable> compile(const Graph& graph, const Weights& weights) const override {
    return std::make_unique<Compared>(graph, weights, *strict_, others_);
  }
  std::unique_ptr<Executable> load_script(const std::string& path) const override { return strict_->load_script(path); }
  ScriptGraph lower_script(const std::string& path) const override { return strict_->lower_script(path); }

 private:
  const std::shared_ptr<const Backend> strict_ = load_backend(Device::cpu, 0, Precision::strict);
  const std::vector<Contestant>& others_;
};

int run(const std::string& model, const std::vector<std::string>& images) {
  keep_freed_memory();
  std::vector<Contestant> others;
  others.push_back({"LibTorch", load_torch_backend(Device::cpu, 0), {}});
  for (const char* precision : {"f32", "bf16", "int8"}) try {
      others.push_back({precision, load_backend(Device::cpu, 0, parse_precision(precision)), {}});
    } catch (const Error& e) {
      if (e.code() != ErrorCode::device_unavailable) throw;
    }
  const auto loaded =
      Model::load(read_model_package(model), [&] { return std::make_shared<const ComparingBackend>(others); });
  std::vector<Volume<float>> volumes;
  std::vector<ChannelView> channels;
  volumes.reserve(images.size());
  for (const std::string& image : images) {
    volumes.push_back(workflow::read_volume_file(image));
    channels.push_back({volumes.back().geometry, volumes.back().voxels.data()});
  }
  segment(*loaded, channels, {}, Job());
  nlohmann::ordered_json rows;
  for (const Contestant& other : others) rows[other.name] = other.differences.summary();
  std::printf("%s\n", rows.dump(1).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "oncotome-precision-guard MODEL IMAGE... (a volume file for each of the model's channels)\n");
    return 2;
  }
  try {
    return run(argv[1], {argv + 2, argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
