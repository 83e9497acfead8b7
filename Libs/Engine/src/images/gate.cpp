// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "oncotome/core/error.h"
#include "oncotome/engine/image_gate.h"

namespace oncotome::engine {
namespace {

constexpr std::int64_t kBlocks = 4;       // along H and W
constexpr double kLeastDeviation = 1e-3;  // of a feature; prepared values have a deviation of about 1
constexpr double kQuantiles[] = {0.05, 0.25, 0.5, 0.75, 0.95};

// Strengths differ by factors; prepared values have a deviation of about 1, and none at all is far from a little.
double log_strength(double value) { return std::log(value + 0.01); }

/// The slices of one channel.
struct Channel {
  const float* values;
  std::int64_t depth, height, width;

  std::int64_t count() const { return depth * height * width; }
  double at(std::int64_t z, std::int64_t y, std::int64_t x) const { return values[(z * height + y) * width + x]; }
};

void add_histogram(const Channel& channel, std::vector<double>& out) {
  std::vector<float> sorted(channel.values, channel.values + channel.count());
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  double sum = 0, squares = 0;
  for (const double value : sorted) sum += value;
  for (const double value : sorted) squares += (value - sum / n) * (value - sum / n);
  out.push_back(sum / n);
  out.push_back(log_strength(std::sqrt(squares / n)));
  for (const double q : kQuantiles) out.push_back(sorted[static_cast<std::size_t>(q * (n - 1))]);
}

// Mean first and second differences between neighbors, along W and H.
void add_detail(const Channel& channel, std::vector<double>& out) {
  double edges = 0, detail = 0;
  for (std::int64_t z = 0; z < channel.depth; ++z)
    for (std::int64_t y = 0; y < channel.height; ++y)
      for (std::int64_t x = 0; x < channel.width; ++x) {
        const double value = channel.at(z, y, x);
        const double right = channel.at(z, y, std::min(x + 1, channel.width - 1));
        const double below = channel.at(z, std::min(y + 1, channel.height - 1), x);
        edges += std::abs(right - value) + std::abs(below - value);
        detail += std::abs(2 * value - right - channel.at(z, y, std::max<std::int64_t>(x - 1, 0))) +
                  std::abs(2 * value - below - channel.at(z, std::max<std::int64_t>(y - 1, 0), x));
      }
  out.push_back(log_strength(edges / static_cast<double>(channel.count())));
  out.push_back(log_strength(detail / static_cast<double>(channel.count())));
}

void add_blocks(const Tensor& prepared, std::vector<double>& out) {
  const std::int64_t height = prepared.shape[3], width = prepared.shape[4];
  std::vector<double> counts(kBlocks * kBlocks), sums = counts, squares = counts;
  for (std::size_t i = 0; i < prepared.values.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    const std::int64_t row = at / width % height * kBlocks / height, column = at % width * kBlocks / width;
    const auto block = static_cast<std::size_t>(row * kBlocks + column);
    const double value = prepared.values[i];
    counts[block] += 1;
    sums[block] += value;
    squares[block] += value * value;
  }
  for (std::size_t b = 0; b < sums.size(); ++b) {
    const double n = std::max(1.0, counts[b]), mean = sums[b] / n;
    out.push_back(mean);
    out.push_back(log_strength(std::sqrt(std::max(0.0, squares[b] / n - mean * mean))));
  }
}

// The value that at most 1 - quantile of such values exceed, as conformal prediction chooses it.
double threshold(std::vector<double> values, double quantile) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(static_cast<double>(values.size() + 1) * quantile);
  return values[static_cast<std::size_t>(std::clamp(rank, 1.0, static_cast<double>(values.size()))) - 1];
}

/// The inverse of the lower triangle whose product with its transpose is `covariance`.
std::vector<double> inverse_root(std::vector<double> covariance, std::size_t n) {
  std::vector<double>& root = covariance;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = root[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= root[i * n + k] * root[j * n + k];
      root[i * n + j] = i == j ? std::sqrt(sum) : sum / root[j * n + j];
    }
  std::vector<double> out;
  std::vector<double> inverse(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = i == j ? 1 : 0;
      for (std::size_t k = j; k < i; ++k) sum -= root[i * n + k] * inverse[k * n + j];
      out.push_back(inverse[i * n + j] = sum / root[i * n + i]);
    }
  return out;
}

}  // namespace

std::vector<double> gate_features(const Tensor& prepared) {
  std::vector<double> out;
  const std::int64_t channels = prepared.shape[1];
  const std::int64_t voxels = prepared.shape[2] * prepared.shape[3] * prepared.shape[4];
  for (std::int64_t c = 0; c < channels; ++c) {
    const Channel channel{prepared.values.data() + c * voxels, prepared.shape[2], prepared.shape[3], prepared.shape[4]};
    add_histogram(channel, out);
    add_detail(channel, out);
    if (c == 0) continue;
    double difference = 0;
    for (std::int64_t i = 0; i < voxels; ++i)
      difference += std::abs(static_cast<double>(channel.values[i]) - channel.values[i - voxels]);
    out.push_back(log_strength(difference / static_cast<double>(voxels)));
  }
  add_blocks(prepared, out);
  return out;
}

double gate_distance(const ImageGate& gate, const std::vector<double>& features) {
  const std::size_t n = features.size();
  if (gate.mean.size() != n || gate.whitening.size() != n * (n + 1) / 2)
    throw Error(ErrorCode::model_invalid,
                "model.json: the gate does not have the " + std::to_string(n) + " features of the model's images");
  double squares = 0;
  const double* weight = gate.whitening.data();
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j <= i; ++j) sum += *weight++ * (features[j] - gate.mean[j]);
    squares += sum * sum;
  }
  return std::sqrt(squares);
}

std::string gate_refusal(const ImageGate& gate, const GateScores& scores) {
  const auto told = [](const char* format, double value, double most) {
    char text[160];
    std::snprintf(text, sizeof text, format, value, most);
    return "not the kind of image that the model was trained on: " + std::string(text);
  };
  if (!(scores.distance <= gate.max_distance))
    return told("its statistics lie %.4g from theirs, beyond %.4g", scores.distance, gate.max_distance);
  if (gate.max_energy && scores.energy && !(*scores.energy <= *gate.max_energy))
    return told("the network's energy is %.4g, above %.4g", *scores.energy, *gate.max_energy);
  return "";
}

ImageGate fit_gate(const std::vector<std::vector<double>>& training, const std::vector<std::vector<double>>& held_out,
                   const std::vector<double>& energies, double quantile) {
  if (training.size() < 2 || held_out.empty() || !(quantile > 0 && quantile < 1))
    throw Error(ErrorCode::usage, "a gate needs two training images, one held out, and a quantile between 0 and 1");
  ImageGate gate;
  const std::size_t n = training[0].size();
  const auto count = static_cast<double>(training.size());
  gate.mean.assign(n, 0);
  for (const auto& features : training)
    for (std::size_t i = 0; i < n; ++i) gate.mean[i] += features[i] / count;
  std::vector<double> covariance(n * n);
  for (const auto& features : training)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        covariance[i * n + j] += (features[i] - gate.mean[i]) * (features[j] - gate.mean[j]) / (count - 1);
  // Few images say little of how features go together: what they say shrinks toward the features' own variances.
  const double kept = count / (count + static_cast<double>(n));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      if (i == j)
        covariance[i * n + i] += kLeastDeviation * kLeastDeviation;
      else
        covariance[i * n + j] *= kept;
  gate.whitening = inverse_root(std::move(covariance), n);
  std::vector<double> distances;
  distances.reserve(held_out.size());
  for (const auto& features : held_out) distances.push_back(gate_distance(gate, features));
  gate.quantile = quantile;
  gate.max_distance = threshold(std::move(distances), quantile);
  if (!energies.empty()) gate.max_energy = threshold(energies, quantile);
  return gate;
}

nlohmann::json gate_json(const ImageGate& gate) {
  nlohmann::json j{{"features", "statistics/1"},
                   {"mean", gate.mean},
                   {"whitening", gate.whitening},
                   {"max_distance", gate.max_distance},
                   {"quantile", gate.quantile}};
  if (gate.max_energy) j["max_energy"] = *gate.max_energy;
  return j;
}

}  // namespace oncotome::engine
