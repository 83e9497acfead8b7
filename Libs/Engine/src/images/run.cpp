// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

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

/// The most probable label of each voxel, of probabilities [1,K,D,H,W] that lie in the network's input.
std::vector<std::uint8_t> labels_of(const Tensor& probabilities, const ImageInference& inference, const Dhw& size) {
  const Tensor whole = on_image_grid(inference, probabilities, size);
  const auto K = static_cast<std::size_t>(probabilities.shape[1]);
  const std::size_t voxels = whole.values.size() / K;
  std::vector<std::uint8_t> labels(voxels);
  for (std::size_t i = 0; i < voxels; ++i) {
    std::size_t best = 0;
    for (std::size_t k = 1; k < K; ++k)
      if (whole.values[k * voxels + i] > whole.values[best * voxels + i]) best = k;
    labels[i] = inference.class_labels[best];
  }
  return labels;
}

}  // namespace

std::optional<std::size_t> Classification::best() const {
  if (probabilities.empty() || !refusal.empty()) return std::nullopt;
  return static_cast<std::size_t>(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
}

std::vector<ImageResult> run_images(const Model& model, const std::vector<Tensor>& raw, const Job& job) {
  const ImageInference& inference = image_inference(model.package());
  const NetworkConfig& network = inference.network;
  const auto N = static_cast<std::int64_t>(raw.size()), K = network.classes, L = network.labels;
  const Dhw& size = network.input_size;
  std::vector<ImageResult> results(raw.size());
  Tensor batch({N, network.in_channels, size[0], size[1], size[2]});
  auto place = batch.values.begin();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    job.check();
    const Tensor prepared = prepare_image(inference.image, size, raw[i]);
    place = std::copy(prepared.values.begin(), prepared.values.end(), place);
    if (const auto& gate = inference.gate)
      results[i].classification.scores =
          GateScores{gate_distance(*gate, gate_features(prepared, gate->statistics)), {}};
  }

  unsigned axes = 0;
  for (const int axis : inference.mirror_axes) axes |= 1U << static_cast<unsigned>(axis);
  const double versions = std::pow(2, static_cast<double>(inference.mirror_axes.size()));
  Tensor label_sums(L > 0 ? std::vector<std::int64_t>{N, L, size[0], size[1], size[2]} : std::vector<std::int64_t>{0});
  std::vector<double> energies(raw.size());
  for (auto& result : results) result.classification.probabilities.assign(static_cast<std::size_t>(K), 0);
  for (unsigned set = 0; set <= axes; ++set) {
    if ((set & ~axes) != 0) continue;
    const Job nodes([&job](std::string_view, double) { job.check(); });
    const std::vector<Tensor> outputs = model.network("image").run_all(mirrored(batch, set), nodes);
    std::vector<std::vector<std::int64_t>> shapes;
    if (L > 0) shapes.push_back(label_sums.shape);
    if (K > 0) shapes.push_back({N, K, 1, 1, 1});
    for (std::size_t o = 0; o < std::max(outputs.size(), shapes.size()); ++o) {
      if (o >= shapes.size() || o >= outputs.size() || outputs[o].shape != shapes[o])
        throw Error(ErrorCode::weights_invalid, "the network's output has another shape than its model package says");
      if (!std::all_of(outputs[o].values.begin(), outputs[o].values.end(), [](float v) { return std::isfinite(v); }))
        throw Error(ErrorCode::result_not_finite, "the network's output is not finite");
    }
    if (L > 0) add_softmax(mirrored(outputs[0], set), label_sums);
    for (std::size_t i = 0; K > 0 && i < raw.size(); ++i) {
      const auto first = outputs.back().values.begin() + static_cast<std::ptrdiff_t>(i) * K;
      const std::vector<double> logits(first, first + K);
      const std::vector<double> share = softmax(logits, inference.temperature);
      for (std::size_t k = 0; k < share.size(); ++k) results[i].classification.probabilities[k] += share[k] / versions;
      energies[i] += energy(logits) / versions;
    }
  }

  for (std::size_t i = 0; i < raw.size(); ++i) {
    Classification& found = results[i].classification;
    if (K > 0) found.entropy = entropy(found.probabilities);
    if (K > 0 && found.scores) found.scores->energy = energies[i];
    if (found.scores) found.refusal = gate_refusal(*inference.gate, *found.scores);
    const std::vector<std::int64_t>& shape = raw[i].shape;
    if (L > 0) results[i].labels = labels_of(part_of(label_sums, i), inference, {shape[2], shape[3], shape[4]});
  }
  return results;
}

Classification classify(const Model& model, const Tensor& raw, const Job& job) {
  return run_images(model, {raw}, job).front().classification;
}

}  // namespace oncotome::engine
