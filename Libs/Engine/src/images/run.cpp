// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "oncotome/core/draws.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/calibration.h"
#include "oncotome/engine/classification.h"
#include "oncotome/engine/session.h"

namespace oncotome::engine {
namespace {

/// [N,C,D,H,W] with the axes of `set` (bits of D, H, W) turned round; does and undoes.
Tensor mirrored(const Tensor& in, unsigned set) {
  if (set == 0) return in;
  Tensor out(in.shape);
  const std::int64_t D = in.shape[2], H = in.shape[3], W = in.shape[4], planes = in.shape[0] * in.shape[1];
  float* target = out.values.data();
  for (std::int64_t p = 0; p < planes; ++p)
    for (std::int64_t z = 0; z < D; ++z)
      for (std::int64_t y = 0; y < H; ++y) {
        const std::int64_t from_z = set & 1U ? D - 1 - z : z, from_y = set & 2U ? H - 1 - y : y;
        const float* row = in.values.data() + ((p * D + from_z) * H + from_y) * W;
        target = set & 4U ? std::reverse_copy(row, row + W, target) : std::copy(row, row + W, target);
      }
  return out;
}

/// Softmax over C of [N,C,D,H,W], added to `sum`.
void add_softmax(const Tensor& logits, Tensor& sum) {
  const auto K = static_cast<std::size_t>(logits.shape[1]);
  const std::size_t voxels = logits.values.size() / K / static_cast<std::size_t>(logits.shape[0]);
  std::vector<float> share(K);
  for (std::size_t first = 0; first < logits.values.size(); first += K * voxels)
    for (std::size_t i = first; i < first + voxels; ++i) {
      float greatest = logits.values[i], total = 0;
      for (std::size_t k = 1; k < K; ++k) greatest = std::max(greatest, logits.values[i + k * voxels]);
      for (std::size_t k = 0; k < K; ++k) total += share[k] = std::exp(logits.values[i + k * voxels] - greatest);
      for (std::size_t k = 0; k < K; ++k) sum.values[i + k * voxels] += share[k] / total;
    }
}

/// What `index` of a batch holds.
Tensor part_of(const Tensor& batch, std::size_t index) {
  std::vector<std::int64_t> shape = batch.shape;
  shape[0] = 1;
  Tensor out(shape);
  std::copy_n(batch.values.begin() + static_cast<std::ptrdiff_t>(index * out.values.size()), out.values.size(),
              out.values.begin());
  return out;
}

/// Zeros with `probability`, the same of every image, and the rest divided by one less it.
Tensor dropped(Tensor batch, double probability, const ImageOptions& options, int sample, std::size_t part) {
  Draws draws(options.seed, Purpose::dropout, {static_cast<std::uint64_t>(sample), part});
  const auto images = static_cast<std::size_t>(batch.shape[0]);
  const std::size_t values = batch.values.size() / images;
  const auto kept = static_cast<float>(1 / (1 - probability));
  for (std::size_t v = 0; v < values; ++v) {
    const float factor = draws.chance(probability) ? 0.0F : kept;
    for (std::size_t i = 0; i < images; ++i) batch.values[i * values + v] *= factor;
  }
  return batch;
}

using Rows = std::vector<std::vector<double>>;  ///< Of each image, of each class.

void add(Rows& to, const Rows& rows, double weight) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t k = 0; k < rows[i].size(); ++k) to[i][k] += weight * rows[i][k];
}

/// What one model says of a batch.
struct Member {
  const ImageInference* inference = nullptr;
  std::vector<std::optional<GateScores>> scores;
  std::vector<Rows> samples;  ///< Of one sample without dropout: means over mirrored images.
  std::vector<Rows> mirrors;  ///< Of each mirrored version: means over samples.
  Tensor label_sums;          ///< [N,L,D,H,W]
};

class Runner {
 public:
  Runner(const Model& model, const ImageOptions& options, const Job& job)
      : model_(model), inference_(image_inference(model.package())), options_(options), job_(job) {}

  Member run(const std::vector<Tensor>& raw) {
    const NetworkConfig& network = inference_.network;
    const Dhw& size = network.input_size;
    const auto N = static_cast<std::int64_t>(raw.size());
    if (options_.dropout_samples > 0 && model_.dropout_parts().empty())
      throw Error(ErrorCode::internal, "a model was not loaded for dropout samples");
    member_.inference = &inference_;
    member_.scores.resize(raw.size());
    Tensor batch({N, network.in_channels, size[0], size[1], size[2]});
    auto place = batch.values.begin();
    for (std::size_t i = 0; i < raw.size(); ++i) {
      job_.check();
      const Tensor prepared = prepare_image(inference_.image, size, raw[i]);
      place = std::copy(prepared.values.begin(), prepared.values.end(), place);
      if (const auto& gate = inference_.gate)
        member_.scores[i] = GateScores{gate_distance(*gate, gate_features(prepared, gate->statistics)), {}};
    }
    if (network.labels > 0) member_.label_sums = Tensor({N, network.labels, size[0], size[1], size[2]});
    unsigned axes = 0;
    for (const int axis : inference_.mirror_axes) axes |= 1U << static_cast<unsigned>(axis);
    versions_ = std::pow(2, static_cast<double>(inference_.mirror_axes.size()));
    member_.samples.assign(static_cast<std::size_t>(std::max(1, options_.dropout_samples)), rows(N));
    for (unsigned set = 0; set <= axes; ++set)
      if ((set & ~axes) == 0) run_version(mirrored(batch, set), set);
    return std::move(member_);
  }

 private:
  Rows rows(std::int64_t images) const {
    return Rows(static_cast<std::size_t>(images),
                std::vector<double>(static_cast<std::size_t>(inference_.network.classes), 0));
  }

  void run_version(const Tensor& batch, unsigned set) {
    const NetworkConfig& network = inference_.network;
    const Job nodes([this](std::string_view, double) { job_.check(); });
    std::vector<Tensor> outputs = model_.network("image").run_all(batch, nodes);
    const Tensor trunk = outputs.empty() ? Tensor() : outputs.back();
    if (!model_.dropout_parts().empty()) outputs.back() = finished(trunk, std::nullopt, nodes);
    check(outputs, batch.shape[0]);
    if (network.labels > 0) add_softmax(mirrored(outputs[0], set), member_.label_sums);
    if (network.classes == 0) return;
    const Rows plain = shares(outputs.back());
    for (std::size_t i = 0; i < plain.size(); ++i)
      if (member_.scores[i]) {
        double& sum = member_.scores[i]->energy.emplace(member_.scores[i]->energy.value_or(0));
        sum += energy(logits_of(outputs.back(), i)) / versions_;
      }
    Rows& mean = member_.mirrors.emplace_back(rows(batch.shape[0]));
    for (std::size_t s = 0; s < member_.samples.size(); ++s) {
      const bool drops = options_.dropout_samples > 0;
      const Rows found = drops ? shares(finished(trunk, static_cast<int>(s), nodes)) : plain;
      add(member_.samples[s], found, 1 / versions_);
      add(mean, found, 1 / static_cast<double>(member_.samples.size()));
    }
  }

  // Through what comes after the dropouts; without a sample nothing is dropped.
  Tensor finished(Tensor x, std::optional<int> sample, const Job& nodes) const {
    const std::vector<Model::Part>& parts = model_.dropout_parts();
    for (std::size_t p = 0; p < parts.size(); ++p) {
      if (sample) x = dropped(std::move(x), parts[p].probability, options_, *sample, p);
      x = parts[p].network->run(x, nodes);
    }
    if (!std::all_of(x.values.begin(), x.values.end(), [](float v) { return std::isfinite(v); }))
      throw Error(ErrorCode::result_not_finite, "the network's output is not finite");
    return x;
  }

  void check(const std::vector<Tensor>& outputs, std::int64_t images) const {
    const NetworkConfig& network = inference_.network;
    std::vector<std::vector<std::int64_t>> shapes;
    if (network.labels > 0) shapes.push_back(member_.label_sums.shape);
    if (network.classes > 0) shapes.push_back({images, network.classes, 1, 1, 1});
    for (std::size_t o = 0; o < std::max(outputs.size(), shapes.size()); ++o) {
      if (o >= shapes.size() || o >= outputs.size() || outputs[o].shape != shapes[o])
        throw Error(ErrorCode::weights_invalid, "the network's output has another shape than its model package says");
      if (!std::all_of(outputs[o].values.begin(), outputs[o].values.end(), [](float v) { return std::isfinite(v); }))
        throw Error(ErrorCode::result_not_finite, "the network's output is not finite");
    }
  }

  static std::vector<double> logits_of(const Tensor& logits, std::size_t image) {
    const auto K = static_cast<std::ptrdiff_t>(logits.shape[1]);
    const auto first = logits.values.begin() + static_cast<std::ptrdiff_t>(image) * K;
    return {first, first + K};
  }

  Rows shares(const Tensor& logits) const {
    Rows out;
    for (std::size_t i = 0; i < static_cast<std::size_t>(logits.shape[0]); ++i)
      out.push_back(softmax(logits_of(logits, i), inference_.temperature));
    return out;
  }

  const Model& model_;
  const ImageInference& inference_;
  const ImageOptions& options_;
  const Job& job_;
  Member member_;
  double versions_ = 1;
};

// What all members say of the image's class.
void judge_class(const std::vector<Member>& members, std::size_t image, Classification& found) {
  const auto K = static_cast<std::size_t>(members[0].inference->network.classes);
  double count = 0, inner = 0;
  found.probabilities.assign(K, 0);
  for (const Member& member : members)
    for (const Rows& sample : member.samples) {
      for (std::size_t k = 0; k < K; ++k) found.probabilities[k] += sample[image][k];
      inner += entropy(sample[image]);
      ++count;
    }
  for (double& p : found.probabilities) p /= count;
  found.entropy = entropy(found.probabilities);
  if (count > 1) found.mutual_information = std::max(0.0, found.entropy - inner / count);
  const auto best = static_cast<std::size_t>(std::max_element(found.probabilities.begin(), found.probabilities.end()) -
                                             found.probabilities.begin());
  double squares = 0;
  bool is_mirrored = false;
  for (const Member& member : members) {
    const auto versions = static_cast<double>(member.mirrors.size());
    double mean = 0, variance = 0;
    for (const Rows& version : member.mirrors) mean += version[image][best] / versions;
    for (const Rows& version : member.mirrors) variance += std::pow(version[image][best] - mean, 2) / versions;
    squares += variance / static_cast<double>(members.size());
    is_mirrored = is_mirrored || versions > 1;
  }
  if (is_mirrored) found.mirror_spread = std::sqrt(squares);
}

// The first refusal, or the first member that has a gate.
void judge_kind(const std::vector<Member>& members, std::size_t image, Classification& found) {
  for (const Member& member : members) {
    const std::optional<GateScores>& scores = member.scores[image];
    if (!scores) continue;
    found.refusal = gate_refusal(*member.inference->gate, *scores);
    if (!found.scores || !found.refusal.empty()) found.scores = scores;
    if (!found.refusal.empty()) return;
  }
}

}  // namespace

std::optional<std::size_t> Classification::best() const {
  if (probabilities.empty() || !refusal.empty()) return std::nullopt;
  return static_cast<std::size_t>(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
}

void check_image_ensemble(const std::vector<const ModelPackage*>& packages, const ImageOptions& options) {
  const ImageInference& first = image_inference(*packages.at(0));
  const auto names = [](const auto& named) {
    std::vector<std::string> out;
    out.reserve(named.size());
    for (const auto& item : named) out.push_back(item.name);
    return out;
  };
  for (const ModelPackage* package : packages) {
    const ImageInference& other = image_inference(*package);
    const bool fits = names(other.classes) == names(first.classes) && other.class_labels == first.class_labels &&
                      names(package->labels) == names(packages[0]->labels) &&
                      other.network.in_channels == first.network.in_channels &&
                      other.network.dimensions == first.network.dimensions &&
                      other.picture_range == first.picture_range && package->modality == packages[0]->modality;
    if (!fits)
      throw Error(ErrorCode::usage,
                  "the models of an ensemble must take the same images and know the same classes and "
                  "labels: '" +
                      package->name + "' and '" + packages[0]->name + "' do not");
    if (options.dropout_samples <= 0) continue;
    const Graph network = build_network(other.network);
    if (std::none_of(network.nodes.begin(), network.nodes.end(),
                     [](const Node& node) { return node.op == Op::dropout; }))
      throw Error(ErrorCode::usage, "the network " + other.network.architecture + " of '" + package->name +
                                        "' has no dropout to take samples with; several models can be an ensemble");
  }
  if (options.label_entropies && first.class_labels.empty())
    throw Error(ErrorCode::usage, "this model labels no pixels, of which there could be an entropy");
}

std::vector<ImageResult> run_images(const ImageEnsemble& models, const std::vector<Tensor>& raw,
                                    const ImageOptions& options, const Job& job) {
  std::vector<const ModelPackage*> packages;
  for (const auto& model : models) packages.push_back(&model->package());
  check_image_ensemble(packages, options);
  std::vector<Member> members;
  for (const auto& model : models) members.push_back(Runner(*model, options, job).run(raw));
  const ImageInference& first = *members[0].inference;
  std::vector<ImageResult> results(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (first.network.classes > 0) judge_class(members, i, results[i].classification);
    judge_kind(members, i, results[i].classification);
    if (first.network.labels == 0) continue;
    Tensor sums;
    for (const Member& member : members) {
      const double versions = std::pow(2, static_cast<double>(member.inference->mirror_axes.size()));
      std::vector<float> background(static_cast<std::size_t>(first.network.labels), 0);
      background[0] = static_cast<float>(versions);
      const Tensor found = on_image_grid(*member.inference, part_of(member.label_sums, i), raw[i], background);
      if (sums.values.empty()) sums = Tensor(found.shape);
      for (std::size_t v = 0; v < found.values.size(); ++v)
        sums.values[v] += found.values[v] / static_cast<float>(versions);
    }
    results[i].labels = decide_labels(sums, first.decision);
    for (std::uint8_t& label : results[i].labels) label = first.class_labels[label];
    if (options.label_entropies) results[i].label_entropies = label_entropies(sums.values, results[i].labels.size());
  }
  return results;
}

std::vector<ImageResult> run_images(const Model& model, const std::vector<Tensor>& raw, const Job& job) {
  return run_images({std::shared_ptr<const Model>(&model, [](const Model*) {})}, raw, {}, job);
}

Classification classify(const Model& model, const Tensor& raw, const Job& job) {
  return run_images(model, {raw}, job).front().classification;
}

}  // namespace oncotome::engine
